"""What a StatefulSet's status says of its pods.

Source: Kubernetes 1.36, stateful_set_control.go (computeReplicaStatus, completeRollingUpdate).
"""

from collections.abc import Collection, Sequence

from pilothouse.engine.controllers.statefulset import facts
from pilothouse.engine.controllers.statefulset.plan import Revisions
from pilothouse.model import meta
from pilothouse.model.json import Object


def build(
    stateful_set: Object, pods: Sequence[Object], leaving: Collection[str], revisions: Revisions, collisions: int, now: float
) -> tuple[Object, float | None]:
    """The status, and after how many seconds it changes by itself. leaving: uids of pods on their way out."""
    staying = [pod for pod in pods if meta.uid(pod) not in leaving]
    waits = [facts.available_in(stateful_set, pod, now) for pod in pods]
    counts = {
        "replicas": len(pods),
        "readyReplicas": sum(facts.is_ready(pod) for pod in pods),
        "availableReplicas": sum(wait == 0 for wait in waits),
        "currentReplicas": sum(facts.revision_of(pod) == revisions.current for pod in staying),
        "updatedReplicas": sum(facts.revision_of(pod) == revisions.update for pod in staying),
    }
    names = _rolled(stateful_set, counts, revisions)
    if names.current == names.update:
        counts["currentReplicas"] = counts["updatedReplicas"]
    found: Object = {name: count for name, count in counts.items() if count or name in ("replicas", "availableReplicas")}
    found |= {"observedGeneration": meta.generation(stateful_set), "collisionCount": collisions}
    found |= {name: value for name, value in (("currentRevision", names.current), ("updateRevision", names.update)) if value}
    if conditions := facts.status(stateful_set).get("conditions"):
        found["conditions"] = conditions
    return found, min((wait for wait in waits if wait), default=None)


def _rolled(stateful_set: Object, counts: dict[str, int], revisions: Revisions) -> Revisions:
    """When all pods are of the new revision and ready, it is the current one."""
    wanted = facts.replicas(stateful_set)
    is_complete = all(counts[name] == wanted for name in ("replicas", "readyReplicas", "updatedReplicas"))
    return Revisions(revisions.update, revisions.update) if facts.is_rolling(stateful_set) and is_complete else revisions
