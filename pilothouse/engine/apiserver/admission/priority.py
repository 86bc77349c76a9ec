"""A pod's priority is that of its class; only one class is everybody's default.

Source: kubernetes plugin/pkg/admission/priority.
"""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import PRIORITYCLASSES

_GROUP = "scheduling.k8s.io"
SYSTEM_PREFIX = "system-"


class Priority:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def mutate(self, write: Write) -> None:
        if write.group_resource == "pods" and not write.subresource:
            if write.operation == "CREATE":
                self._set(write)
            elif write.operation == "UPDATE":
                _keep(write.new(), write.old or {})
        is_class = write.group_resource == f"priorityclasses.{_GROUP}"
        if is_class and write.operation == "DELETE" and write.name.startswith(SYSTEM_PREFIX):
            why = "this is a system priority class and cannot be deleted"
            raise Forbidden.of("priorityclasses", write.name, why, _GROUP)

    async def validate(self, write: Write) -> None:
        if write.group_resource != f"priorityclasses.{_GROUP}" or write.operation not in ("CREATE", "UPDATE"):
            return
        current = self._default()
        if write.new().get("globalDefault") and current is not None and current["metadata"]["name"] != write.new()["metadata"]["name"]:
            why = f"PriorityClass {current['metadata']['name']} is already marked as default. Only one default can exist"
            raise Forbidden.of("priorityclasses", write.name, why, _GROUP)

    def _set(self, write: Write) -> None:
        spec = write.new().setdefault("spec", {})
        name = spec.get("priorityClassName", "")
        found = self._class(write, name) if name else self._default()
        if found is not None and not name:
            spec["priorityClassName"] = found["metadata"]["name"]
        value = found.get("value", 0) if found is not None else 0
        policy = (found.get("preemptionPolicy") if found is not None else None) or "PreemptLowerPriority"
        if spec.get("priority") is not None and spec["priority"] != value:
            raise _computed(write, f"integer value of priority ({spec['priority']})", value)
        if spec.get("preemptionPolicy") not in (None, policy):
            raise _computed(write, f"string value of PreemptionPolicy ({spec['preemptionPolicy']})", policy)
        spec["priority"], spec["preemptionPolicy"] = value, policy

    def _class(self, write: Write, name: str) -> Object:
        found = self._objects.get(PRIORITYCLASSES, "", name)
        if found is None:
            raise Forbidden.of("pods", write.name, f"no PriorityClass with name {name} was found")
        return found

    def _default(self) -> Object | None:
        """The class of pods that name none; the lowest of several, which can only come from racing writes."""
        classes = [each for each in self._objects.having(PRIORITYCLASSES, b'"globalDefault":true') if each.get("globalDefault")]
        return min(classes, key=lambda found: int(found.get("value", 0)), default=None)


def _keep(pod: Object, old: Object) -> None:
    """An update that says nothing of the priority that a pod was given leaves it as it is."""
    spec, before = pod.setdefault("spec", {}), old.get("spec") or {}
    for name in ("priority", "preemptionPolicy"):
        if spec.get(name) is None and before.get(name) is not None:
            spec[name] = before[name]


def _computed(write: Write, stated: str, computed: int | str) -> Forbidden:
    why = f"the {stated} must not be provided in pod spec; priority admission controller computed {computed}"
    return Forbidden.of("pods", write.name, f"{why} from the given PriorityClass name")
