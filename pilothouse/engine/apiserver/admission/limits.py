"""LimitRanges: what containers get that ask for nothing, and what nobody may exceed.

Source: kubernetes plugin/pkg/admission/limitranger.
"""

from collections.abc import Iterator

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.admission.usage import pod_amounts
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import LIMITRANGES
from pilothouse.model.quantity import Quantity

_ANNOTATION = "kubernetes.io/limit-ranger"
Amounts = dict[str, Quantity]


class LimitRanger:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def _limits(self, write: Write) -> list[Object]:
        if write.group_resource not in ("pods", "persistentvolumeclaims") or write.operation != "CREATE" or write.subresource:
            return []
        ranges = self._objects.all(LIMITRANGES, write.namespace)
        return [limit for found in ranges for limit in (found.get("spec") or {}).get("limits") or ()]

    async def mutate(self, write: Write) -> None:
        for limit in self._limits(write):
            if limit.get("type") == "Container" and write.group_resource == "pods":
                _fill(write.new(), limit)

    async def validate(self, write: Write) -> None:
        problems = [problem for limit in self._limits(write) for problem in _problems(write.group_resource, write.new(), limit)]
        if problems:
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
        requests, limits = pod_amounts(spec)
        yield from _check(limit, requests, limits, kind)


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
    if name not in requests or name not in limits or requests[name].is_zero:
        yield f"{name} max limit to request ratio per {kind} is {ratio}, but no request is specified or request is 0."
        return
    actual = limits[name].amount / requests[name].amount
    if actual > ratio.amount:
        yield f"{name} max limit to request ratio per {kind} is {ratio}, but provided ratio is {float(actual):f}"
