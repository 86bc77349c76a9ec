"""A pod of a RuntimeClass gets its overhead and goes where it can run. Source: kubernetes plugin/pkg/admission/runtimeclass."""

from typing import Any

from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.admission.plugin import Passive
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import RUNTIMECLASSES
from pilothouse.model.quantity import Quantity


class RuntimeClasses(Passive):
    def __init__(self, store: Any) -> None:
        self._store = store

    def mutate(self, attributes: Attributes) -> None:
        if attributes.group_resource != "pods" or attributes.operation != "CREATE" or attributes.subresource:
            return
        spec = attributes.new().setdefault("spec", {})
        found = self._class(attributes, spec.get("runtimeClassName") or "")
        _set_overhead(attributes, spec, (found.get("overhead") or {}).get("podFixed") or {})
        _set_scheduling(attributes, spec, found.get("scheduling") or {})

    def _class(self, attributes: Attributes, name: str) -> Object:
        """{} for a pod that names none."""
        record = self._store.latest(f"/{RUNTIMECLASSES.group_resource}//{name}") if name else None
        if name and record is None:
            raise _rejected(attributes, f'RuntimeClass "{name}" not found')
        found: Object = record.value if record is not None else {}
        return found


def _set_overhead(attributes: Attributes, spec: Object, fixed: Object) -> None:
    stated = spec.get("overhead") or {}
    if stated and not fixed:
        raise _rejected(attributes, "Pod Overhead set without corresponding RuntimeClass defined Overhead")
    if stated and _amounts(stated) != _amounts(fixed):
        raise _rejected(attributes, "Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    if fixed:
        spec["overhead"] = dict(fixed)


def _set_scheduling(attributes: Attributes, spec: Object, scheduling: Object) -> None:
    wanted, stated = scheduling.get("nodeSelector") or {}, spec.get("nodeSelector") or {}
    for key, value in wanted.items():
        if stated.get(key, value) != value:
            why = f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {stated[key]}"
            raise Forbidden.of("pods", attributes.name, why)
    if wanted:
        spec["nodeSelector"] = stated | wanted
    tolerations = spec.get("tolerations") or []
    if added := [each for each in scheduling.get("tolerations") or () if each not in tolerations]:
        spec["tolerations"] = [*tolerations, *added]


def _amounts(overhead: Object) -> dict[str, Quantity]:
    return {name: Quantity.of(value) for name, value in overhead.items()}


def _rejected(attributes: Attributes, why: str) -> Forbidden:
    return Forbidden.of("pods", attributes.name, f"pod rejected: {why}")
