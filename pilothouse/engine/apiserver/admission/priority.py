"""A pod's priority is that of its class; only one class is everybody's default.

Source: kubernetes plugin/pkg/admission/priority.
"""

from typing import Any

from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.admission.plugin import Passive
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object

_GROUP = "scheduling.k8s.io"
_PREFIX = f"/priorityclasses.{_GROUP}/"
SYSTEM_PREFIX = "system-"


class Priority(Passive):
    def __init__(self, store: Any) -> None:
        self._store = store

    def mutate(self, attributes: Attributes) -> None:
        if attributes.group_resource == "pods" and attributes.operation == "CREATE" and not attributes.subresource:
            self._set(attributes)
        is_class = attributes.group_resource == f"priorityclasses.{_GROUP}"
        if is_class and attributes.operation == "DELETE" and attributes.name.startswith(SYSTEM_PREFIX):
            why = "this is a system priority class and cannot be deleted"
            raise Forbidden.of("priorityclasses", attributes.name, why, _GROUP)

    def validate(self, attributes: Attributes) -> None:
        if attributes.group_resource != f"priorityclasses.{_GROUP}" or attributes.operation not in ("CREATE", "UPDATE"):
            return
        current = self._default()
        if (
            attributes.new().get("globalDefault")
            and current is not None
            and current["metadata"]["name"] != attributes.new()["metadata"]["name"]
        ):
            why = f"PriorityClass {current['metadata']['name']} is already marked as default. Only one default can exist"
            raise Forbidden.of("priorityclasses", attributes.name, why, _GROUP)

    def _set(self, attributes: Attributes) -> None:
        spec = attributes.new().setdefault("spec", {})
        name = spec.get("priorityClassName", "")
        found = self._class(attributes, name) if name else self._default()
        if found is not None and not name:
            spec["priorityClassName"] = found["metadata"]["name"]
        value = found.get("value", 0) if found is not None else 0
        policy = (found.get("preemptionPolicy") if found is not None else None) or "PreemptLowerPriority"
        if spec.get("priority") is not None and spec["priority"] != value:
            raise _computed(attributes, f"integer value of priority ({spec['priority']})", value)
        if spec.get("preemptionPolicy") not in (None, policy):
            raise _computed(attributes, f"string value of PreemptionPolicy ({spec['preemptionPolicy']})", policy)
        spec["priority"], spec["preemptionPolicy"] = value, policy

    def _class(self, attributes: Attributes, name: str) -> Object:
        record = self._store.get(f"{_PREFIX}/{name}")
        if record is None:
            raise Forbidden.of("pods", attributes.name, f"no PriorityClass with name {name} was found")
        found: Object = record.value
        return found

    def _default(self) -> Object | None:
        """The class of pods that name none; the lowest of several, which can only come from racing writes."""
        classes = [record.value for record in self._store.scan(_PREFIX) if record.value.get("globalDefault")]
        return min(classes, key=lambda found: int(found.get("value", 0)), default=None)


def _computed(attributes: Attributes, stated: str, computed: int | str) -> Forbidden:
    why = f"the {stated} must not be provided in pod spec; priority admission controller computed {computed}"
    return Forbidden.of("pods", attributes.name, f"{why} from the given PriorityClass name")
