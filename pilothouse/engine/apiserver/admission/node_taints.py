"""A new node is not ready until its agent says so. Source: kubernetes plugin/pkg/admission/nodetaint."""

from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.admission.plugin import Passive

_TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class NodeTaints(Passive):
    def mutate(self, attributes: Attributes) -> None:
        if attributes.group_resource != "nodes" or attributes.operation != "CREATE":
            return
        spec = attributes.new().setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any(taint.get("key") == _TAINT["key"] and taint.get("effect") == _TAINT["effect"] for taint in taints):
            spec["taints"] = [*taints, dict(_TAINT)]
