"""What a ReplicaSet lacks or has too much of, and which of its pods hurt least when they go.

Source: Kubernetes 1.36, replica_set.go, replica_set_utils.go, controller_utils.go (ActivePodsWithRanks); KEP-2255 (deletion cost),
KEP-2185 (logarithmic scale-down), KEP-3973 (terminatingReplicas).
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence

from pilothouse.engine.controllers import pods as pod_facts
from pilothouse.model import meta
from pilothouse.model.json import Object

BURST = 500
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def missing(replica_set: Object, active: int) -> int:
    """How many pods to create (positive) or to delete (negative), at most a burst of them."""
    wanted: int = (replica_set.get("spec") or {}).get("replicas", 1)
    return max(-BURST, min(BURST, wanted - active))


def victims(active: Sequence[Object], related: Collection[Object], excess: int, now: float) -> list[Object]:
    """Choose which pods to delete, fewest users hurt first.

    active: the set's live pods. related: active pods of all sets of the same owner, for the ranks of crowded nodes.
    Returns `excess` pods, best victim first; same input, same order.
    """
    crowd = Counter(pod_facts.node(pod) for pod in related)
    return sorted(active, key=lambda pod: _rank(pod, crowd[pod_facts.node(pod)], now))[:excess]


def _rank(pod: Object, crowd: int, now: float) -> tuple[object, ...]:
    """Smallest goes first: unassigned, not running, not ready, cheap, crowded, shortly ready, often restarted, young."""
    ready = pod_facts.is_ready(pod)
    created = (pod.get("metadata") or {}).get("creationTimestamp")
    return (
        bool(pod_facts.node(pod)),
        _PHASES.get(pod_facts.phase(pod), 0),
        ready,
        deletion_cost(pod),
        -crowd,
        _age_class(pod_facts.ready_since(pod), now) if ready else 0,
        -pod_facts.restarts(pod),
        _age_class(meta.parse_rfc3339(created) if created else None, now),
        meta.uid(pod),
    )


def _age_class(since: float | None, now: float) -> int:
    """Ages are compared by their order of magnitude, so that equally old pods fall in a random order (by uid). No time counts as young."""
    age_ns = 0 if since is None else int((now - since) * 1e9)
    return int(math.log2(age_ns)) if age_ns > 0 else -1


def deletion_cost(pod: Object) -> int:
    try:
        return int(meta.annotations(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def status(
    replica_set: Object, active: Sequence[Object], terminating: int, failure: tuple[str, str] | None, now: float
) -> tuple[Object, float | None]:
    """The status that the pods amount to, and after how many seconds it changes by itself.

    failure: reason and message of the ReplicaFailure condition.
    """
    spec = replica_set.get("spec") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    min_ready_s = spec.get("minReadySeconds") or 0
    waits = [pod_facts.available_in(pod, min_ready_s, now) for pod in active]
    counts = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(labels.items() <= meta.labels(pod).items() for pod in active),
        "readyReplicas": sum(wait is not None or pod_facts.is_ready(pod) for pod, wait in zip(active, waits, strict=True)),
        "availableReplicas": sum(wait == 0 for wait in waits),
    }
    found: Object = {name: count for name, count in counts.items() if count or name == "replicas"}
    found["terminatingReplicas"] = terminating
    found["observedGeneration"] = meta.generation(replica_set)
    conditions = _conditions(replica_set, failure, now)
    if conditions:
        found["conditions"] = conditions
    return found, min((wait for wait in waits if wait), default=None)


def _conditions(replica_set: Object, failure: tuple[str, str] | None, now: float) -> list[Object]:
    present = (replica_set.get("status") or {}).get("conditions") or []
    if failure is None:
        return [each for each in present if each.get("type") != "ReplicaFailure"]
    reason, message = failure
    if any(each.get("type") == "ReplicaFailure" for each in present):
        return list(present)
    return meta.with_condition(
        present, {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": message}, meta.rfc3339(now)
    )
