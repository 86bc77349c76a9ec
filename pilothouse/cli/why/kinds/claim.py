"""Why a PersistentVolumeClaim has no volume, does not grow, does not get other attributes, or does not go (pure)."""

from pilothouse.cli.why.claim_causes import of_claim
from pilothouse.cli.why.finding import Finding, State
from pilothouse.cli.why.scene import Scene
from pilothouse.cli.why.sentence import Why, told
from pilothouse.model import meta
from pilothouse.model.json import Object

_LATELY_S = 900.0
_GROWTH = {
    "ControllerResizeError": "the volume could not be made larger",
    "NodeResizeError": "the node could not make the volume's file system larger",
}
_RECENT = frozenset({"VolumeResizeFailed", "FileSystemResizeFailed", "ProvisioningFailed", "VolumeFull"})


def explain(scene: Scene) -> Why:
    claim = scene.workload or {}
    if found := _finding(scene, claim):
        return told(f"{scene.subject} {_standing(claim)}", found)
    if (claim.get("status") or {}).get("phase") != "Bound":
        waits = "waits for the first pod that mounts it" if _is_late_bound(scene, claim) else "waits for a volume"
        return Why(f"{scene.subject} {waits}", state=State.ROLLING_OUT)
    status = claim["status"]
    size, of_class = (status.get("capacity") or {}).get("storage", "?"), claim["spec"].get("storageClassName")
    source = f"volume {claim['spec'].get('volumeName')}" + (f" of class {of_class}" if of_class else "")
    return Why(f"{scene.subject} has {size} in {source}, {_users(scene)}", state=State.RUNNING)


def _standing(claim: Object) -> str:
    if meta.is_deleting(claim):
        return "is being deleted"
    phase = (claim.get("status") or {}).get("phase")
    return {"Bound": "is bound", "Lost": "has lost its volume"}.get(str(phase), "has no volume")


def _finding(scene: Scene, claim: Object) -> Finding | None:
    phase = (claim.get("status") or {}).get("phase")
    if meta.is_deleting(claim) and scene.pods:
        step = "it goes when they have ended; what was stored goes with it unless its volume's policy is Retain"
        return Finding((f"{_pods(scene)} still use it" if len(scene.pods) > 1 else f"{_pods(scene)} still uses it",), step)
    if phase == "Lost":
        gone = f"volume {claim['spec'].get('volumeName')} does not exist any more"
        step = f"what was stored is not there; delete the claim, and make it anew: `ph kubectl delete pvc {meta.name(claim)}`"
        return Finding((gone,), step)
    if phase != "Bound":
        return of_claim(scene, claim)
    return _growing(scene, claim) or _changing(claim) or _lately(scene, claim)


def _growing(scene: Scene, claim: Object) -> Finding | None:
    for kind, effect in _GROWTH.items():
        if (failed := meta.condition(claim, kind)) is not None and failed.get("status") == "True":
            return Finding((failed.get("message", "").rstrip(". "), effect), "make room, or ask for less than that")
    if not meta.is_true(claim, "FileSystemResizePending"):
        return None
    ended = f"end {_pods(scene)} once" if scene.pods else "mount it in a pod"
    return Finding(("its file system grows when it is mounted next",), f"{ended}; the data stays")


def _changing(claim: Object) -> Finding | None:
    failed = meta.condition(claim, "ModifyVolumeError")
    if failed is None or failed.get("status") != "True":
        return None
    step = "name another VolumeAttributesClass in spec.volumeAttributesClassName of the claim, or mend what the message names"
    return Finding((failed.get("message", "").rstrip(". "), "the volume has the attributes that it had"), step)


def _lately(scene: Scene, claim: Object) -> Finding | None:
    said = [note for note in scene.notes_of(claim) if note.reason in _RECENT and note.last > scene.now - _LATELY_S]
    if not said:
        return None
    cause, _, step = said[-1].message.rstrip(". ").rpartition("; ")
    more = f"`ph kubectl describe pvc {meta.name(claim)} -n {meta.namespace(claim)}` says more"
    return Finding((cause,), step) if cause else Finding((step,), more)


def _is_late_bound(scene: Scene, claim: Object) -> bool:
    return any(note.reason == "WaitForFirstConsumer" for note in scene.notes_of(claim))


def _users(scene: Scene) -> str:
    return f"used by {_pods(scene)}" if scene.pods else "and no pod uses it"


def _pods(scene: Scene) -> str:
    more = f" and {len(scene.pods) - 1} more" if len(scene.pods) > 1 else ""
    return f"pod {meta.name(scene.pods[0])}{more}"
