"""What the parts of a pod's worker share."""

from types import SimpleNamespace
from typing import Any, cast

from pilothouse.aio.tasks import scope
from pilothouse.engine.node.pod.state import PodState
from pilothouse.engine.node.work.context import Context, Handle
from tests.engine.node.builders import pod


class Said:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def say(self, about: Any, type: str, reason: str, message: str, **facts: Any) -> None:
        self.events.append((type, reason, message))


async def test_background_work_that_breaks_is_said_and_ends_nothing_else() -> None:
    async def breaks() -> None:
        raise KeyError("a field that was taken for granted")

    said, changes = Said(), []
    async with scope() as tasks:
        context = cast("Context", SimpleNamespace(recorder=said))
        handle = Handle(context, pod(), PodState(), lambda: changes.append(1), lambda: None, tasks=tasks)
        await handle.spawn(breaks(), "pulling the image of container main")
    assert said.events == [
        ("Warning", "FailedSync", "pulling the image of container main failed: KeyError: 'a field that was taken for granted'")
    ]
    assert changes == [1]
