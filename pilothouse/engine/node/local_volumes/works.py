"""Work that may take long, and goes on though whoever asked for it hangs up: asked for again, it is found under its name."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pilothouse.aio.tasks import TaskSet
from pilothouse.engine.node.local_volumes.copying import Progress

WAIT_S = 1.0
"""How long whoever asks waits for it at a time. One of the few workers of a controller does, and others have their turn meanwhile."""

T = TypeVar("T")


@dataclass(slots=True)
class _Work(Generic[T]):
    progress: Progress
    task: asyncio.Task[None] | None = None
    result: list[T] = field(default_factory=list)
    error: Exception | None = None


class Works(Generic[T]):
    """For one event loop. wait_s: how long whoever asks waits, `WAIT_S` where it is not given."""

    def __init__(self, wait_s: float | None = None) -> None:
        self._wait_s = wait_s
        self._works: dict[str, _Work[T]] = {}
        self._tasks: TaskSet | None = None

    async def result(self, name: str, begin: Callable[[Progress], Coroutine[Any, Any, T]]) -> T | Progress:
        """What the work returns, or how far it is when it takes long. Raises what the work raises, once; then it may begin anew."""
        work = self._works.get(name)
        if work is None:
            work = self._works[name] = _Work(Progress())
            self._tasks = self._tasks or TaskSet()
            work.task = self._tasks.start(self._run(work, begin(work.progress)), name=f"volume work {name}")
        assert work.task is not None
        await asyncio.wait([work.task], timeout=WAIT_S if self._wait_s is None else self._wait_s)
        if not work.task.done():
            return work.progress
        if self._works.get(name) is work:  # Another who waited may have begun it anew.
            del self._works[name]
        if work.error is not None:
            raise work.error
        if not work.result:
            raise OSError("it was given up")
        return work.result[0]

    def goes_on(self, name: str) -> bool:
        """Or has ended, and nobody has asked for its result yet."""
        return name in self._works

    async def _run(self, work: _Work[T], coroutine: Coroutine[Any, Any, T]) -> None:
        try:
            work.result.append(await coroutine)
        except Exception as error:
            work.error = error

    async def stop(self, name: str) -> None:
        """Gives it up, if it goes on, and waits for its end."""
        work = self._works.pop(name, None)
        if work is not None and work.task is not None:
            work.task.cancel()
            await asyncio.wait([work.task])

    async def close(self) -> None:
        if self._tasks is not None:
            await self._tasks.close()
