"""What is read from a StatefulSet and its pods.

Source: Kubernetes 1.36, pkg/controller/statefulset/stateful_set_utils.go.
"""

import math
import re

from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.sections import spec as spec
from pilothouse.engine.controllers.sections import status as status
from pilothouse.model import meta
from pilothouse.model.digits import natural
from pilothouse.model.json import Object

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"
REVISION_LABEL = "controller-revision-hash"
_MEMBER = re.compile(r"(.*)-([0-9]+)", re.DOTALL)
_MOST_ORDINAL = 2**31 - 1


def replicas(stateful_set: Object) -> int:
    wanted: int | None = spec(stateful_set).get("replicas")
    return 1 if wanted is None else wanted


def start(stateful_set: Object) -> int:
    """The ordinal of the first pod."""
    found: int | None = (spec(stateful_set).get("ordinals") or {}).get("start")
    return found or 0


def ordinals(stateful_set: Object) -> range:
    first = start(stateful_set)
    return range(first, first + replicas(stateful_set))


def ordinal_of(stateful_set: Object, pod: Object) -> int | None:
    """None of a pod whose name is not one that the set gives."""
    found = _MEMBER.fullmatch(meta.name(pod))
    number = natural(found[2]) if found is not None and found[1] == meta.name(stateful_set) else None
    if number is None or number > _MOST_ORDINAL or meta.name(pod) != pod_name(stateful_set, number):
        return None
    return number


def pod_name(stateful_set: Object, ordinal: int) -> str:
    return f"{meta.name(stateful_set)}-{ordinal}"


def revision_of(pod: Object) -> str:
    return meta.labels(pod).get(REVISION_LABEL, "")


def is_ordered(stateful_set: Object) -> bool:
    """Whether pods come and go one by one."""
    policy: str = spec(stateful_set).get("podManagementPolicy") or "OrderedReady"
    return policy != "Parallel"


def _strategy(stateful_set: Object) -> Object:
    found: Object = spec(stateful_set).get("updateStrategy") or {}
    return found


def is_rolling(stateful_set: Object) -> bool:
    kind: str = _strategy(stateful_set).get("type") or "RollingUpdate"
    return kind == "RollingUpdate"


def partition(stateful_set: Object) -> int:
    """How many pods, from the first on, a rolling update leaves as they are."""
    found: int | None = (_strategy(stateful_set).get("rollingUpdate") or {}).get("partition")
    return found or 0


def max_unavailable(stateful_set: Object) -> int | None:
    """How many pods may be unavailable during a rolling update, at least 1; None where that is not stated."""
    stated = (_strategy(stateful_set).get("rollingUpdate") or {}).get("maxUnavailable")
    if stated is None:
        return None
    # In integers up to the division: 0.1 * 30 is more than 3.
    share = math.floor((natural(stated[:-1]) or 0) * replicas(stateful_set) / 100) if isinstance(stated, str) else int(stated)
    return max(1, share)


def min_ready_s(stateful_set: Object) -> int:
    return spec(stateful_set).get("minReadySeconds") or 0


def available_in(stateful_set: Object, pod: Object, now: float) -> float | None:
    """Seconds until the pod counts as available: 0 when it does, None while it is not running and ready."""
    if pods.phase(pod) != "Running":
        return None
    return pods.available_in(pod, min_ready_s(stateful_set), now)


def is_ready(pod: Object) -> bool:
    return pods.phase(pod) == "Running" and pods.is_ready(pod)
