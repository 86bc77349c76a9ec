"""What is wrong with a StatefulSet or a DaemonSet beside its pods' own trouble (pure)."""

from dataclasses import replace

from pilothouse.cli.why.finding import Finding
from pilothouse.cli.why.pod_causes import refused
from pilothouse.cli.why.scene import Scene, count
from pilothouse.model import meta
from pilothouse.model.json import Object

_REVISION = "controller-revision-hash"


def without_pods(scene: Scene) -> Finding | None:
    """Pods that the API server refuses: the last that was said of making one is that it failed."""
    owner = scene.workload
    if owner is None or count(owner, "currentNumberScheduled" if owner["kind"] == "DaemonSet" else "replicas") >= scene.wanted:
        return None
    said = [note for note in scene.notes_of(owner) if note.reason in ("FailedCreate", "SuccessfulCreate")]
    if not said or said[-1].reason == "SuccessfulCreate":
        return None
    message = said[-1].message.partition(" failed error: ")[2] or said[-1].message
    # What was said once may have passed.
    return replace(refused(meta.name(owner), message, owner["kind"].lower()), certain_after_s=None)


def with_what_it_blocks(scene: Scene, pod: Object, found: Finding) -> Finding:
    """The pod's trouble, and that an ordered update does not get past it when it is of an earlier template."""
    owner = scene.workload
    if owner is None or owner["kind"] != "StatefulSet" or not _is_ordered_update(owner):
        return found
    if meta.labels(pod).get(_REVISION) == (owner.get("status") or {}).get("updateRevision"):
        return found
    effect = f"the update of {scene.subject} does not get past pod {meta.name(pod)}, which is of an earlier template"
    step = f"when the new template is right, delete the pod with `ph kubectl delete pod {meta.name(pod)} -n {meta.namespace(pod)}`"
    return replace(found, chain=(*found.chain, effect), next_step=step)


def _is_ordered_update(stateful_set: Object) -> bool:
    spec = stateful_set["spec"]
    strategy: str = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate")
    management: str = spec.get("podManagementPolicy", "OrderedReady")
    return (strategy, management) == ("RollingUpdate", "OrderedReady")
