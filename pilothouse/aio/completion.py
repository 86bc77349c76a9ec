"""Work that is not left half done, whatever becomes of those who wait for it."""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


async def completed(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that goes on to its end even when the one who awaits it is cancelled; its failure is nobody's then.

    The work begins at once: nobody else has a turn between the call and the work's first real await. For what must not be left half
    done, such as a write that is on its way to disk. It must end by itself soon, and use no deadline of its own.
    """
    try:
        awaited = work.send(None)
        while True:
            try:
                await (asyncio.sleep(0) if awaited is None else _Watched(awaited))
            except asyncio.CancelledError:
                if awaited is None or not awaited.cancelled():
                    task = asyncio.get_running_loop().create_task(_resumed(work, awaited))
                    task.add_done_callback(lambda done: done.cancelled() or done.exception())
                    raise
            except Exception:
                # What the work awaits has failed, and that is for the work to see.
                if awaited is None or not awaited.done():
                    raise
            awaited = work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result


class _Watched:
    """A future to a task that waits for it: its end wakes the task, as its own would; that the task is cancelled leaves it alone.

    A task takes for a future what has the marker and these methods. A second future in between would cost a turn of the loop.
    """

    def __init__(self, future: "asyncio.Future[Any]") -> None:
        # What a coroutine awaits carries the marker until a task has recognised it; a future that carries it cannot be awaited again.
        future._asyncio_future_blocking = False
        self._asyncio_future_blocking = True
        self._future = future
        self._wake: Callable[[asyncio.Future[Any]], object]
        self._context: Context | None = None

    def __await__(self) -> Generator[Any, None, None]:
        yield self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._future.get_loop()

    def add_done_callback(self, wake: "Callable[[asyncio.Future[Any]], object]", *, context: Context | None = None) -> None:
        self._wake, self._context = wake, context
        self._future.add_done_callback(wake, context=context)

    def cancel(self, msg: object = None) -> bool:
        """Wake the task with a cancellation; False when it is to be woken already."""
        if not self._future.remove_done_callback(self._wake):
            return False
        loop = self.get_loop()
        ended: asyncio.Future[None] = loop.create_future()
        ended.cancel(msg)
        loop.call_soon(self._wake, ended, context=self._context)
        return True


async def _resumed(work: Coroutine[Any, Any, T], awaited: Any) -> T:
    if awaited is not None:
        awaited._asyncio_future_blocking = True
    return await _after(work, awaited)


@types.coroutine
def _after(work: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """Goes on with work that awaits something: what asyncio's eager tasks do from Python 3.12 on."""
    while True:
        try:
            yield awaited
        except BaseException as error:
            step = partial(work.throw, error)
        else:
            step = partial(work.send, None)
        try:
            awaited = step()
        except StopIteration as ended:
            result: T = ended.value
            return result
