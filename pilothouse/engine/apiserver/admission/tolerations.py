"""Every pod puts up with a node that is not ready or not reachable for five minutes, unless it says otherwise.

Source: kubernetes plugin/pkg/admission/defaulttolerationseconds.
"""

from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.admission.plugin import Passive
from pilothouse.model.json import Object

_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_SECONDS = 300


class DefaultTolerations(Passive):
    def mutate(self, attributes: Attributes) -> None:
        if attributes.group_resource != "pods" or attributes.operation == "DELETE" or attributes.subresource:
            return
        spec = attributes.new().setdefault("spec", {})
        tolerations = spec.get("tolerations") or []
        added = [
            {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _SECONDS}
            for taint in _TAINTS
            if not any(_tolerates(toleration, taint) for toleration in tolerations)
        ]
        if added:
            spec["tolerations"] = [*tolerations, *added]


def _tolerates(toleration: Object, taint: str) -> bool:
    return toleration.get("key") in (taint, None, "") and toleration.get("effect") in ("NoExecute", None, "")
