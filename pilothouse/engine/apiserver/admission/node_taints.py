"""A new node is not ready until its agent says so. Source: kubernetes plugin/pkg/admission/nodetaint."""

from pilothouse.engine.apiserver.admission.context import Write

_TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class NodeTaints:
    async def mutate(self, write: Write) -> None:
        if write.group_resource != "nodes" or write.operation != "CREATE":
            return
        spec = write.new().setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any(taint.get("key") == _TAINT["key"] and taint.get("effect") == _TAINT["effect"] for taint in taints):
            spec["taints"] = [*taints, dict(_TAINT)]
