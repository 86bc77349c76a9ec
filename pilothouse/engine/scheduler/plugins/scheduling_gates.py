"""A pod with scheduling gates is not to be placed before they are gone. The API server says so in its conditions when it is made."""

from pilothouse.engine.scheduler.framework.plugin import Refusal
from pilothouse.model.json import Object


class SchedulingGates:
    name = "SchedulingGates"

    def pre_enqueue(self, pod: Object) -> Refusal | None:
        gates = [each.get("name") or "" for each in pod["spec"].get("schedulingGates") or ()]
        if not gates:
            return None
        return Refusal(self.name, (f"waiting for scheduling gates: [{' '.join(gates)}]",), is_final=True, is_of_pod=True, is_quiet=True)
