"""Why a pod waits for its volumes: the last that was said of a claim of it that has none (pure).

Reasons are those of upstream's persistent volume binder and of provisioners.
"""

import re

from pilothouse.cli.why.finding import LATE, SOON, Finding, State
from pilothouse.cli.why.scene import Scene
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.volumes import claim_names

TELLING = ("ProvisioningFailed", "FailedBinding", "VolumeMismatch", "ExternalProvisioning")
_OF_CLASS = re.compile(r'^failed to provision volume with StorageClass "[^"]*": ')
_FULL = re.compile(r"No space left on device|\bENOSPC\b|disk full|Disk quota exceeded", re.IGNORECASE)
_NO_CLASS = re.compile(r'storageclass\.storage\.k8s\.io "([^"]+)" not found')


def of_claims(scene: Scene, pod: Object) -> Finding | None:
    """None for a pod that has a node, or that waits for something else than volumes."""
    if pod["spec"].get("nodeName") or not _waits_for_volumes(pod):
        return None
    names = claim_names(pod)
    for claim in scene.claims:
        if meta.name(claim) in names and (found := of_claim(scene, claim)) is not None:
            effect = f"pod {meta.name(pod)} gets no node"
            return Finding((*found.chain, effect), found.next_step, State.UNSCHEDULABLE, found.certain_after_s)
    return None


def _waits_for_volumes(pod: Object) -> bool:
    """What the scheduler said last is of volumes. Before it says anything, it may wait for them."""
    condition = meta.condition(pod, "PodScheduled")
    return condition is None or "persistentvolume" in condition.get("message", "").lower()


def of_claim(scene: Scene, claim: Object) -> Finding | None:
    """What keeps a claim from having a volume; None while nothing was said of it."""
    name = meta.name(claim)
    said = [note for note in scene.notes_of(claim) if note.reason in TELLING]
    if not said:
        return None
    text = _OF_CLASS.sub("", said[-1].message).rstrip(". ")
    if missing := _NO_CLASS.search(text):
        step = f"create class {missing[1]}, or have the claim made anew with one of `ph kubectl get storageclass`"
        return Finding((f"storage class {missing[1]} does not exist", f"claim {name} gets no volume"), step, certain_after_s=SOON)
    cause, _, step = text.rpartition("; ") if "; " in text else (text, "", "")
    more = f"`ph kubectl describe pvc {name} -n {meta.namespace(claim)}` says more"
    # Another node may still make it, and a class's own provisioner take its time.
    certain_after_s = None if said[-1].reason == "ExternalProvisioning" else LATE
    return Finding((f"claim {name} gets no volume: {cause}",), step or more, certain_after_s=certain_after_s)


def full(pod: Object, said: str, app: str) -> tuple[str, str] | None:
    """A clause on the volume that has no room left, and what to do; None where a container did not end for that.

    said: the last that it printed. Where it has several volumes, which one is full cannot be told from that.
    """
    if not _FULL.search(said) or not claim_names(pod):
        return None
    named = [volume for volume in pod["spec"].get("volumes") or () if volume.get("persistentVolumeClaim") is not None]
    mounts = {mount["name"]: mount["mountPath"] for each in pod["spec"]["containers"] for mount in each.get("volumeMounts") or ()}
    one = named[0] if len(named) == 1 else None
    cause = f"volume {one['name']} is full" if one is not None else f"one of the volumes {', '.join(claim_names(pod))} may be full"
    if one is None or not app:
        return cause, "ask for more in the claim (`ph kubectl edit pvc`), or make room in it"
    return (
        cause,
        f"give it more room with `ph deploy ... --volume {one['name']}:{mounts.get(one['name'], 'PATH')}:SIZE`, or make room in it",
    )
