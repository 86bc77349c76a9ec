"""A pod of a RuntimeClass gets its overhead and goes where it can run. Source: kubernetes plugin/pkg/admission/runtimeclass."""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import RUNTIMECLASSES
from pilothouse.model.quantity import Quantity


class RuntimeClasses:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def mutate(self, write: Write) -> None:
        if write.group_resource != "pods" or write.operation != "CREATE" or write.subresource:
            return
        spec = write.new().setdefault("spec", {})
        found = self._class(write, spec.get("runtimeClassName") or "")
        _set_overhead(write, spec, (found.get("overhead") or {}).get("podFixed") or {})
        _set_scheduling(write, spec, found.get("scheduling") or {})

    def _class(self, write: Write, name: str) -> Object:
        """{} for a pod that names none."""
        found = self._objects.latest(RUNTIMECLASSES, "", name) if name else {}
        if found is None:
            raise _rejected(write, f'RuntimeClass "{name}" not found')
        return found


def _set_overhead(write: Write, spec: Object, fixed: Object) -> None:
    stated = spec.get("overhead") or {}
    if stated and not fixed:
        raise _rejected(write, "Pod Overhead set without corresponding RuntimeClass defined Overhead")
    if stated and _amounts(stated) != _amounts(fixed):
        raise _rejected(write, "Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    if fixed:
        spec["overhead"] = dict(fixed)


def _set_scheduling(write: Write, spec: Object, scheduling: Object) -> None:
    wanted, stated = scheduling.get("nodeSelector") or {}, spec.get("nodeSelector") or {}
    for key, value in wanted.items():
        if stated.get(key, value) != value:
            why = f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {stated[key]}"
            raise Forbidden.of("pods", write.name, why)
    if wanted:
        spec["nodeSelector"] = stated | wanted
    tolerations = spec.get("tolerations") or []
    if added := [each for each in scheduling.get("tolerations") or () if each not in tolerations]:
        spec["tolerations"] = [*tolerations, *added]


def _amounts(overhead: Object) -> dict[str, Quantity]:
    return {name: Quantity.of(value) for name, value in overhead.items()}


def _rejected(write: Write, why: str) -> Forbidden:
    return Forbidden.of("pods", write.name, f"pod rejected: {why}")
