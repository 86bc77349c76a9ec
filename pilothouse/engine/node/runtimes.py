"""Which runtimes the node has, and whether a pod's RuntimeClass asks for one of them."""

from pilothouse.client.client import Client
from pilothouse.engine.node import podspec
from pilothouse.engine.node.runtime import RuntimeFailure
from pilothouse.model.json import Object
from pilothouse.model.kinds import RUNTIMECLASSES

HANDLERS = ("runc",)
"""What containerd is configured with; pods without a class run under the first."""


async def check(client: Client, pod: Object) -> None:
    """Raises RuntimeFailure when the pod's class is not there or asks for a runtime that the node lacks; ApiError."""
    name = podspec.spec(pod).get("runtimeClassName")
    if not name:
        return
    found = await client.get_or_none(RUNTIMECLASSES, name)
    if found is None:
        raise RuntimeFailure("RunPodSandbox", f'RuntimeClass "{name}" not found', "NOT_FOUND")
    if found["handler"] not in HANDLERS:
        has = ", ".join(HANDLERS)
        why = f'this node has no runtime "{found["handler"]}", which RuntimeClass "{name}" asks for; use a class with the handler {has}'
        raise RuntimeFailure("RunPodSandbox", why, "NOT_FOUND")
