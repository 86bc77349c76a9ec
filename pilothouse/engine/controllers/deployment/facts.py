"""What is read from a Deployment and its ReplicaSets: sizes, bounds of a rolling update, annotations.

Source: Kubernetes 1.36, deployment_util.go.
"""

import math
from collections.abc import Iterable

from pilothouse.engine.controllers.sections import spec as spec
from pilothouse.engine.controllers.sections import status as status
from pilothouse.model import meta
from pilothouse.model.digits import natural
from pilothouse.model.json import Object

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
HASH_LABEL = "pod-template-hash"
NO_DEADLINE = 2**31 - 1


def size(obj: Object) -> int:
    """The replicas that a Deployment or a ReplicaSet wants."""
    wanted: int | None = spec(obj).get("replicas")
    return 1 if wanted is None else wanted


def available(replica_set: Object) -> int:
    return status(replica_set).get("availableReplicas") or 0


def total(sets: Iterable[Object]) -> int:
    return sum(size(each) for each in sets)


def actual(sets: Iterable[Object], field: str = "replicas") -> int:
    return sum(status(each).get(field) or 0 for each in sets)


def active(sets: Iterable[Object]) -> list[Object]:
    return [each for each in sets if size(each) > 0]


def number(obj: Object, annotation: str) -> int | None:
    try:
        return int(meta.annotations(obj)[annotation])
    except (KeyError, ValueError):
        return None


def revision(replica_set: Object) -> int:
    return number(replica_set, REVISION) or 0


def age_order(replica_set: Object) -> tuple[str, str]:
    """Oldest first; equal times by name."""
    return replica_set["metadata"].get("creationTimestamp") or "", meta.name(replica_set)


def is_rolling(deployment: Object) -> bool:
    kind: str = (spec(deployment).get("strategy") or {}).get("type", "RollingUpdate")
    return kind == "RollingUpdate"


def fenceposts(deployment: Object) -> tuple[int, int]:
    """(surge, unavailable) in pods: a share of surge is rounded up, one of unavailable down, and both are never 0."""
    rolling = (spec(deployment).get("strategy") or {}).get("rollingUpdate") or {}
    wanted = size(deployment)
    surge = math.ceil(_share(rolling.get("maxSurge", 0), wanted))
    unavailable = math.floor(_share(rolling.get("maxUnavailable", 0), wanted))
    return (surge, 1) if surge == 0 and unavailable == 0 else (surge, unavailable)


def _share(value: int | str, wanted: int) -> float:
    # In integers up to the division: 0.1 * 30 is more than 3.
    return (natural(value[:-1]) or 0) * wanted / 100 if isinstance(value, str) else value


def max_surge(deployment: Object) -> int:
    return fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    wanted = size(deployment)
    if not is_rolling(deployment) or wanted == 0:
        return 0
    return min(fenceposts(deployment)[1], wanted)


def has_deadline(deployment: Object) -> bool:
    deadline = spec(deployment).get("progressDeadlineSeconds")
    return deadline is not None and deadline != NO_DEADLINE


def is_complete(deployment: Object, shown: Object) -> bool:
    """Whether a status shows every replica updated, available and alone."""
    wanted = size(deployment)
    counts = (shown.get(field) or 0 for field in ("updatedReplicas", "replicas", "availableReplicas"))
    observed: int = shown.get("observedGeneration") or 0
    return all(count == wanted for count in counts) and observed >= meta.generation(deployment)
