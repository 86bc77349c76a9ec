"""What an object counts for in a quota. Pure. Source: kubernetes pkg/quota/v1/evaluator/core."""

from collections.abc import Callable, Iterable, Mapping

from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity, whole

Amounts = dict[str, Quantity]
_ONE = whole(1)
_NODE_PORT_TYPES = ("NodePort", "LoadBalancer")


def counts(group_resource: str, obj: Object) -> Amounts:
    """The usage of one object of this resource, by the names that quotas use."""
    usage: Amounts = {f"count/{group_resource}": _ONE}
    evaluate = _EVALUATORS.get(group_resource)
    return usage if evaluate is None else usage | evaluate(obj)


def _service(service: Object) -> Amounts:
    usage, spec = {"services": _ONE}, service.get("spec") or {}
    if spec.get("type") in _NODE_PORT_TYPES:
        usage["services.nodeports"] = whole(len(spec.get("ports") or ()))
    if spec.get("type") == "LoadBalancer":
        usage["services.loadbalancers"] = _ONE
    return usage


def _claim(claim: Object) -> Amounts:
    usage = {"persistentvolumeclaims": _ONE}
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    if "storage" in requests:
        usage["requests.storage"] = Quantity.of(requests["storage"])
    return usage


def _pod(pod: Object) -> Amounts:
    """A pod that has ended counts for nothing but an object."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return {}
    usage = {"pods": _ONE}
    requests, limits = pod_amounts(pod.get("spec") or {})
    for name, amount in requests.items():
        usage[f"requests.{name}"] = amount
        usage[name] = amount
    for name, amount in limits.items():
        usage[f"limits.{name}"] = amount
    return usage


def _only(name: str) -> Callable[[Object], Amounts]:
    """Of a resource whose objects are counted under its plain name as well."""
    return lambda obj: {name: _ONE}


_EVALUATORS: Mapping[str, Callable[[Object], Amounts]] = {
    **{name: _only(name) for name in ("configmaps", "secrets", "replicationcontrollers", "resourcequotas")},
    "services": _service,
    "persistentvolumeclaims": _claim,
    "pods": _pod,
}


def pod_amounts(spec: Object) -> tuple[Amounts, Amounts]:
    """(requests, limits) of a whole pod: the sum of its containers, or its largest init container if that is more."""
    sums = []
    for side in ("requests", "limits"):
        running = _sum(_side(container, side) for container in spec.get("containers") or ())
        staying = [_side(c, side) for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
        running = _sum([running, *staying])
        for container in spec.get("initContainers") or ():
            for name, amount in _side(container, side).items():
                if amount > running.get(name, whole(0)):
                    running[name] = amount
        if side == "requests" and spec.get("overhead"):
            running = _sum([running, {name: Quantity.of(value) for name, value in spec["overhead"].items()}])
        sums.append(running)
    return sums[0], sums[1]


def _side(container: Object, side: str) -> Amounts:
    return {name: Quantity.of(value) for name, value in ((container.get("resources") or {}).get(side) or {}).items()}


def _sum(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total[name] + amount if name in total else amount
    return total


def total(group_resource: str, objects: Iterable[Object]) -> Amounts:
    return _sum(counts(group_resource, obj) for obj in objects)


def in_scopes(quota: Object, group_resource: str, obj: Object) -> bool:
    """Whether a quota that is narrowed to some pods means this object."""
    spec = quota.get("spec") or {}
    selectors = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    selectors += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(group_resource == "pods" and _in_scope(selector, obj.get("spec") or {}) for selector in selectors)


def _in_scope(selector: Object, spec: Object) -> bool:
    name: str = selector["scopeName"]
    if name in ("Terminating", "NotTerminating"):
        return (spec.get("activeDeadlineSeconds") is not None) == (name == "Terminating")
    if name in ("BestEffort", "NotBestEffort"):
        return _is_best_effort(spec) == (name == "BestEffort")
    if name == "PriorityClass":
        return _selects(selector, spec.get("priorityClassName") or "")
    return False


def _is_best_effort(spec: Object) -> bool:
    containers = (spec.get("containers") or []) + (spec.get("initContainers") or [])
    return not any((c.get("resources") or {}).get(side) for c in containers for side in ("requests", "limits"))


def _selects(selector: Object, value: str) -> bool:
    operator: str = selector.get("operator", "")
    values: list[str] = selector.get("values") or []
    if operator in ("In", "NotIn"):
        return (value in values) == (operator == "In")
    return bool(value) == (operator == "Exists")


_COMPUTE = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")


def unstated(hard: Iterable[str], pod: Object) -> dict[str, list[str]]:
    """Of the compute resources that a quota limits: those that some container does not state, with these containers."""
    missing: dict[str, list[str]] = {}
    spec = pod.get("spec") or {}
    for name in hard:
        if name not in _COMPUTE:
            continue
        side, _, plain = name.rpartition(".")
        for container in (spec.get("containers") or []) + (spec.get("initContainers") or []):
            if plain not in ((container.get("resources") or {}).get(side or "requests") or {}):
                missing.setdefault(name, []).append(container["name"])
    return missing
