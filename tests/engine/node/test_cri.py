"""What the runtime's client makes of answers that containerd gives only now and then."""

from pathlib import Path

import pytest
from google.protobuf.message import Message

from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.cri import RUNTIME, CriRuntime, M
from pilothouse.engine.node.runtime.seam import RuntimeFailure


class Scripted(CriRuntime):
    """states: what a container's status says, one call after the other; none left: it is not known."""

    def __init__(self, *states: int) -> None:
        super().__init__(Path("/nowhere"))
        self.states = list(states)
        self.calls: list[str] = []

    async def _call(self, path: str, request: Message, answer: type[M], timeout_s: float = 0.0) -> M:
        self.calls.append(path.removeprefix(RUNTIME))
        if not path.endswith("/ContainerStatus"):
            return answer()
        if not self.states:
            raise RuntimeFailure("ContainerStatus", "no such container", "NOT_FOUND")
        status = api.ContainerStatus(id="c", state=self.states.pop(0), metadata=api.ContainerMetadata(name="main"))
        found = api.ContainerStatusResponse(status=status)
        assert isinstance(found, answer)
        return found


@pytest.mark.parametrize(
    ("states", "asked"),
    [
        ((api.CONTAINER_EXITED,), 1),
        ((api.CONTAINER_RUNNING, api.CONTAINER_RUNNING, api.CONTAINER_EXITED), 3),
        ((), 1),
        ((api.CONTAINER_RUNNING,) * 50, 10),
    ],
)
async def test_a_container_that_has_been_stopped_is_no_longer_said_to_run(states: tuple[int, ...], asked: int) -> None:
    runtime = Scripted(*states)
    await runtime.stop_container("c", 0)
    assert runtime.calls == ["StopContainer"] + ["ContainerStatus"] * asked
