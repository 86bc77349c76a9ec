"""What an object counts for in a quota. Pure. Source: kubernetes pkg/quota/v1/evaluator/core."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from pilothouse.engine.apiserver.kinds.quantities import CONTAINER_RESOURCES, is_extended, is_huge_page
from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity, whole
from pilothouse.model.volumes import attributes_classes_of, class_of

Amounts = dict[str, Quantity]
OF_CLASS = ".storageclass.storage.k8s.io/"
"""Between a storage class and the name of what is limited of its claims."""
_ONE = whole(1)
_NODE_PORT_TYPES = ("NodePort", "LoadBalancer")


def counts(group_resource: str, obj: Object) -> Amounts:
    """The usage of one object of this resource, by the names that quotas use."""
    usage: Amounts = {f"count/{group_resource}": _ONE}
    evaluate = _EVALUATORS.get(group_resource)
    return usage if evaluate is None else usage | evaluate(obj)


class PodScope(NamedTuple):
    """What quotas that are narrowed to some pods go by."""

    is_terminating: bool
    is_best_effort: bool
    priority_class: str
    looks_elsewhere: bool
    """Whether its affinity goes by pods of other namespaces."""


class ClaimScope(NamedTuple):
    """What quotas that are narrowed to some claims go by: the classes of attributes that a claim wants, has or is being given."""

    attributes_classes: tuple[str, ...]


Scope = PodScope | ClaimScope


def scope_of(group_resource: str, obj: Object) -> Scope | None:
    """None of what is neither a pod nor a claim, which no narrowed quota means."""
    if group_resource == "persistentvolumeclaims":
        return ClaimScope(tuple(sorted(attributes_classes_of(obj))))
    if group_resource != "pods":
        return None
    spec = obj.get("spec") or {}
    is_terminating = (spec.get("activeDeadlineSeconds") or 0) >= 0 and spec.get("activeDeadlineSeconds") is not None
    return PodScope(is_terminating, _is_best_effort(spec), spec.get("priorityClassName") or "", _looks_elsewhere(spec))


def is_only_counted(group_resource: str) -> bool:
    """Whether it does not matter to quotas what is in an object of this resource."""
    return group_resource not in _EVALUATORS or group_resource in _COUNTED


def number_of(group_resource: str, number: int) -> Amounts:
    """The usage of so many objects of a resource that is only counted."""
    names = (f"count/{group_resource}", *([group_resource] if group_resource in _COUNTED else []))
    return dict.fromkeys(names, whole(number))


def _service(service: Object) -> Amounts:
    usage, spec = {"services": _ONE}, service.get("spec") or {}
    if spec.get("type") in _NODE_PORT_TYPES:
        ports = spec.get("ports") or []
        if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
            ports = [port for port in ports if port.get("nodePort")]
        usage["services.nodeports"] = whole(len(ports))
    if spec.get("type") == "LoadBalancer":
        usage["services.loadbalancers"] = _ONE
    return usage


def _claim(claim: Object) -> Amounts:
    """Both amounts by themselves, and under the name of the claim's class."""
    usage = {"persistentvolumeclaims": _ONE}
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    if "storage" in requests:
        # A claim whose growth failed may ask for less again: what it was given meanwhile goes on to count.
        given = ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage") or "0"
        usage["requests.storage"] = max(Quantity.of(requests["storage"]), Quantity.of(given))
    storage_class = class_of(claim)
    if storage_class:
        usage |= {f"{storage_class}{OF_CLASS}{name}": amount for name, amount in usage.items()}
    return usage


def _pod(pod: Object) -> Amounts:
    """A pod that has ended counts for nothing but an object."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return {}
    usage = {"pods": _ONE}
    requests, limits = pod_amounts(pod.get("spec") or {})
    for name, amount in requests.items():
        is_plain = name in CONTAINER_RESOURCES or is_huge_page(name)
        if is_plain:
            usage[name] = amount
        if is_plain or is_extended(name):
            usage[f"requests.{name}"] = amount
    for name, amount in limits.items():
        if name in CONTAINER_RESOURCES:
            usage[f"limits.{name}"] = amount
    return usage


def _only(name: str) -> Callable[[Object], Amounts]:
    """Of a resource whose objects are counted under its plain name as well."""
    return lambda obj: {name: _ONE}


_COUNTED = ("configmaps", "secrets", "replicationcontrollers", "resourcequotas")
_EVALUATORS: Mapping[str, Callable[[Object], Amounts]] = {
    **{name: _only(name) for name in _COUNTED},
    "services": _service,
    "persistentvolumeclaims": _claim,
    "pods": _pod,
}


def pod_amounts(spec: Object) -> tuple[Amounts, Amounts]:
    """(requests, limits) of a whole pod: the sum of its containers, or what its init containers need at a time if that is more.

    With the overhead of its runtime.
    """
    overhead = {name: Quantity.of(value) for name, value in (spec.get("overhead") or {}).items()}
    requests, limits = needed(spec, "requests"), needed(spec, "limits")
    return added([requests, overhead]), added([limits, {name: amount for name, amount in overhead.items() if name in limits}])


def needed(spec: Object, side: str) -> Amounts:
    """What the containers of a pod need together, without what its runtime needs for itself. side: requests or limits.

    What the pod states as a whole counts instead, resource by resource.
    """
    running = added(_side(container, side) for container in spec.get("containers") or ())
    staying: Amounts = {}
    peaks: list[Amounts] = []
    for container in spec.get("initContainers") or ():
        peaks.append(added([staying, _side(container, side)]))
        if container.get("restartPolicy") == "Always":
            staying = peaks[-1]
    if staying:
        running = added([running, staying])
    for peak in peaks:
        for name, amount in peak.items():
            if name not in running or amount > running[name]:
                running[name] = amount
    return running | _side(spec, side)


def _side(container: Object, side: str) -> Amounts:
    return {name: Quantity.of(value) for name, value in ((container.get("resources") or {}).get(side) or {}).items()}


def added(parts: Iterable[Amounts]) -> Amounts:
    """The sum of all parts, name by name."""
    total: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total[name] + amount if name in total else amount
    return total


def in_scopes(quota: Object, scope: Scope | None) -> bool:
    """Whether a quota that is narrowed to some pods or claims means objects of this scope."""
    spec = quota.get("spec") or {}
    selectors = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    selectors += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(scope is not None and _in_scope(selector, scope) for selector in selectors)


def _in_scope(selector: Object, scope: Scope) -> bool:
    name: str = selector["scopeName"]
    if isinstance(scope, ClaimScope):
        return name == "VolumeAttributesClass" and any(_selects(selector, each) for each in scope.attributes_classes or ("",))
    if name in ("Terminating", "NotTerminating"):
        return scope.is_terminating == (name == "Terminating")
    if name in ("BestEffort", "NotBestEffort"):
        return scope.is_best_effort == (name == "BestEffort")
    if name == "PriorityClass":
        return _selects(selector, scope.priority_class)
    return name == "CrossNamespacePodAffinity" and scope.looks_elsewhere


def _is_best_effort(spec: Object) -> bool:
    containers = (spec.get("containers") or []) + (spec.get("initContainers") or [])
    sides = [(each.get("resources") or {}).get(side) for each in containers for side in ("requests", "limits")]
    return not any(name in side and not Quantity.of(side[name]).is_zero for side in sides if side for name in ("cpu", "memory"))


def _looks_elsewhere(spec: Object) -> bool:
    affinity = spec.get("affinity")
    if not affinity:
        return False
    terms: list[Object] = []
    for found in (affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}):
        terms += found.get("requiredDuringSchedulingIgnoredDuringExecution") or []
        terms += [each.get("podAffinityTerm") or {} for each in found.get("preferredDuringSchedulingIgnoredDuringExecution") or ()]
    return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms)


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
    return {name: sorted(containers) for name, containers in missing.items()}
