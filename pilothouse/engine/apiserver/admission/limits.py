"""LimitRanges: what containers get that ask for nothing, and what nobody may exceed.

Source: kubernetes plugin/pkg/admission/limitranger.
"""

from collections.abc import Iterator
from itertools import chain

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.quota.usage import needed
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import LIMITRANGES
from pilothouse.model.quantity import Quantity

_ANNOTATION = "kubernetes.io/limit-ranger"
Amounts = dict[str, Quantity]


class LimitRanger:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def _ranges(self, write: Write) -> list[list[Object]]:
        if write.group_resource not in ("pods", "persistentvolumeclaims"):
            return []
        if (write.operation, write.subresource) not in (("CREATE", ""), ("UPDATE", "resize")):
            return []
        ranges = self._objects.all(LIMITRANGES, write.namespace)
        return [(found.get("spec") or {}).get("limits") or [] for found in ranges]

    async def mutate(self, write: Write) -> None:
        if write.operation != "CREATE":
            return
        for limit in chain.from_iterable(self._ranges(write)):
            if limit.get("type") == "Container" and write.group_resource == "pods":
                _fill(write.new(), limit)

    async def validate(self, write: Write) -> None:
        for limits in self._ranges(write):
            found = (problem for limit in limits for problem in _problems(write.group_resource, write.new(), limit))
            problems = list(dict.fromkeys(found))
            if not problems:
                continue
            why = problems[0] if len(problems) == 1 else "[" + ", ".join(problems) + "]"
            raise Forbidden.of(write.served.resource.plural, write.name, why)


def _fill(pod: Object, limit: Object) -> None:
    default, default_request = limit.get("default") or {}, limit.get("defaultRequest") or {}
    notes = []
    spec = pod.get("spec") or {}
    for label, containers in (("container", spec.get("containers")), ("init container", spec.get("initContainers"))):
        for container in containers or ():
            filled = _fill_container(container, default, default_request)
            notes += [f"{', '.join(names)} {side} for {label} {container['name']}" for side, names in filled if names]
    if notes:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[_ANNOTATION] = "LimitRanger plugin set: " + "; ".join(notes)


def _fill_container(container: Object, default: Object, default_request: Object) -> list[tuple[str, list[str]]]:
    resources = container.setdefault("resources", {})
    filled = []
    for side, values in (("requests", default_request), ("limits", default)):
        stated = resources.get(side) or {}
        names = sorted(name for name in values if name not in stated)
        if names:
            resources[side] = stated | {name: values[name] for name in names}
        filled.append(("request" if side == "requests" else "limit", names))
    return filled


def _problems(group_resource: str, obj: Object, limit: Object) -> Iterator[str]:
    kind = limit.get("type")
    if group_resource == "persistentvolumeclaims":
        if kind == "PersistentVolumeClaim":
            requests = ((obj.get("spec") or {}).get("resources") or {}).get("requests") or {}
            yield from _check(limit, _amounts(requests), {}, kind)
        return
    spec = obj.get("spec") or {}
    if kind == "Container":
        for container in (spec.get("containers") or []) + (spec.get("initContainers") or []):
            resources = container.get("resources") or {}
            yield from _check(limit, _amounts(resources.get("requests")), _amounts(resources.get("limits")), kind)
    elif kind == "Pod":
        yield from _check(limit, needed(spec, "requests"), needed(spec, "limits"), kind)


def _amounts(values: Object | None) -> Amounts:
    return {name: Quantity.of(value) for name, value in (values or {}).items()}


def _check(limit: Object, requests: Amounts, limits: Amounts, kind: str) -> Iterator[str]:
    for name, least in sorted(_amounts(limit.get("min")).items()):
        if name not in requests:
            yield f"minimum {name} usage per {kind} is {least}.  No request is specified"
        elif requests[name] < least:
            yield f"minimum {name} usage per {kind} is {least}, but request is {requests[name]}"
        elif name in limits and limits[name] < least:
            yield f"minimum {name} usage per {kind} is {least}, but limit is {limits[name]}"
    for name, most in sorted(_amounts(limit.get("max")).items()):
        if kind == "PersistentVolumeClaim":
            if name in requests and requests[name] > most:
                yield f"maximum {name} usage per {kind} is {most}, but request is {requests[name]}"
        elif name not in limits:
            yield f"maximum {name} usage per {kind} is {most}.  No limit is specified"
        elif limits[name] > most:
            yield f"maximum {name} usage per {kind} is {most}, but limit is {limits[name]}"
        elif name in requests and requests[name] > most:
            yield f"maximum {name} usage per {kind} is {most}, but request is {requests[name]}"
    for name, ratio in sorted(_amounts(limit.get("maxLimitRequestRatio")).items()):
        yield from _check_ratio(name, ratio, requests, limits, kind)


def _check_ratio(name: str, ratio: Quantity, requests: Amounts, limits: Amounts, kind: str) -> Iterator[str]:
    for what, amounts in (("request", requests), ("limit", limits)):
        if name not in amounts or amounts[name].is_zero:
            yield f"{name} max limit to request ratio per {kind} is {ratio}, but no {what} is specified or {what} is 0"
            return
    actual = limits[name].amount / requests[name].amount
    if actual > ratio.amount:
        yield f"{name} max limit to request ratio per {kind} is {ratio}, but provided ratio is {float(actual):f}"
