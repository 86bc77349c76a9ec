"""Why a pod waits for its volumes: the last that was said of a claim of it that has none (pure).

Reasons are those of upstream's persistent volume binder and of provisioners.
"""

import re

from pilothouse.cli.why.finding import Finding, State
from pilothouse.cli.why.scene import Scene
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.volumes import claim_names

TELLING = ("ProvisioningFailed", "FailedBinding", "VolumeMismatch", "ExternalProvisioning")
_OF_CLASS = re.compile(r'^failed to provision volume with StorageClass "[^"]*": ')
_NO_CLASS = re.compile(r'storageclass\.storage\.k8s\.io "([^"]+)" not found')


def of_claims(scene: Scene, pod: Object) -> Finding | None:
    """None for a pod that has a node, or that waits for something else than volumes."""
    if pod["spec"].get("nodeName") or not _waits_for_volumes(pod):
        return None
    names = claim_names(pod)
    for claim in scene.claims:
        if meta.name(claim) in names and (found := of_claim(scene, claim)) is not None:
            return Finding((*found.chain, f"pod {meta.name(pod)} gets no node"), found.next_step, State.UNSCHEDULABLE)
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
        return Finding((f"storage class {missing[1]} does not exist", f"claim {name} gets no volume"), step)
    cause, _, step = text.rpartition("; ") if "; " in text else (text, "", "")
    more = f"`ph kubectl describe pvc {name} -n {meta.namespace(claim)}` says more"
    return Finding((f"claim {name} gets no volume: {cause}",), step or more)
