"""Under which low-level runtime a pod runs: the one that its RuntimeClass names, when the node has it."""

from pilothouse.client.client import Client
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.runtime.seam import Runtime, RuntimeFailure
from pilothouse.model.json import Object
from pilothouse.model.kinds import RUNTIMECLASSES


async def chosen(client: Client, runtime: Runtime, pod: Object) -> str:
    """The handler, "" for a pod without a class. Raises RuntimeFailure when the class is not there or the node lacks it; ApiError."""
    name = podspec.spec(pod).get("runtimeClassName")
    if not name:
        return ""
    found = await client.get_or_none(RUNTIMECLASSES, name)
    if found is None:
        raise RuntimeFailure("RunPodSandbox", f'RuntimeClass "{name}" not found', "NOT_FOUND")
    handler: str = found["handler"]
    known = [each for each in (await runtime.features()).handlers if each]
    if handler not in known:
        has = ", ".join(sorted(known))
        why = f'this node has no runtime "{handler}", which RuntimeClass "{name}" asks for; use a class with one of its handlers: {has}'
        raise RuntimeFailure("RunPodSandbox", why, "NOT_FOUND")
    return handler
