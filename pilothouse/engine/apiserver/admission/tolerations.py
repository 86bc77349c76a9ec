"""Every pod puts up with a node that is not ready or not reachable for five minutes, unless it says otherwise.

Source: kubernetes plugin/pkg/admission/defaulttolerationseconds.
"""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.model.json import Object

_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_SECONDS = 300


class DefaultTolerations:
    async def mutate(self, write: Write) -> None:
        if write.group_resource != "pods" or write.operation == "DELETE" or write.subresource:
            return
        spec = write.new().setdefault("spec", {})
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
