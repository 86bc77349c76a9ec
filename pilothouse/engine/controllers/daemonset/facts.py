"""What is read from a DaemonSet and its pods.

Source: Kubernetes 1.36, pkg/controller/daemon/util/daemonset_util.go.
"""

import math
from collections import defaultdict
from collections.abc import Iterable

from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.sections import spec as spec
from pilothouse.engine.controllers.sections import status as status
from pilothouse.model import meta
from pilothouse.model.digits import natural
from pilothouse.model.json import Object

HASH_LABEL = "controller-revision-hash"
GENERATION_LABEL = "pod-template-generation"
GENERATION = "deprecated.daemonset.template.generation"


def template(daemon_set: Object) -> Object:
    found: Object = spec(daemon_set).get("template") or {}
    return found


def min_ready_s(daemon_set: Object) -> int:
    return spec(daemon_set).get("minReadySeconds") or 0


def is_rolling(daemon_set: Object) -> bool:
    kind: str = (spec(daemon_set).get("updateStrategy") or {}).get("type") or "RollingUpdate"
    return kind == "RollingUpdate"


def _rolling(daemon_set: Object) -> Object:
    found: Object = (spec(daemon_set).get("updateStrategy") or {}).get("rollingUpdate") or {}
    return found if is_rolling(daemon_set) else {}


def surges(daemon_set: Object) -> bool:
    """Whether a new pod comes before the old one goes."""
    return _share(_rolling(daemon_set).get("maxSurge"), 100) > 0


def max_surge(daemon_set: Object, nodes: int) -> int:
    """nodes: on how many there is to be a pod. A share is rounded up."""
    return _share(_rolling(daemon_set).get("maxSurge"), nodes)


def max_unavailable(daemon_set: Object, nodes: int) -> int:
    """The same, and at least 1 where nothing may surge."""
    found = _share(_rolling(daemon_set).get("maxUnavailable"), nodes)
    return found if found or surges(daemon_set) else 1


def _share(value: int | str | None, nodes: int) -> int:
    # In integers up to the division: 0.1 * 30 is more than 3.
    return math.ceil((natural(value[:-1]) or 0) * nodes / 100) if isinstance(value, str) else value or 0


def target_node(pod: Object) -> str:
    """The node that a pod runs on or is meant for; "" when it does not say."""
    if pods.node(pod):
        return pods.node(pod)
    affinity = (spec(pod).get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or []
    for field in (field for term in terms for field in term.get("matchFields") or ()):
        if field.get("key") == "metadata.name" and field.get("operator") == "In" and len(field.get("values") or ()) == 1:
            return str(field["values"][0])
    return ""


def by_node(owned: Iterable[Object]) -> dict[str, list[Object]]:
    """The pods of each node: those that have one before those that are only meant for it, older ones first."""
    found: dict[str, list[Object]] = defaultdict(list)
    for pod in sorted(owned, key=_age_order):
        if node := target_node(pod):
            found[node].append(pod)
    return found


def _age_order(pod: Object) -> tuple[bool, str, str]:
    return not pods.node(pod), pod["metadata"].get("creationTimestamp") or "", meta.name(pod)


def is_updated(pod: Object, hash_: str) -> bool:
    return meta.labels(pod).get(HASH_LABEL) == hash_
