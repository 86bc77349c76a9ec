"""Blocking work that may never end, such as a look into a file system whose server is away.

The few threads of `asyncio.to_thread` are everybody's, and work that is stuck takes one of them for good. So such work has a thread of its
own, which holds up nobody else, nor the end of the process; and one at a time for each thing, so that what hangs costs one thread, however
often it is asked.
"""

import asyncio
import contextlib
import errno
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Unanswered(OSError):
    """The work has not ended in time, or that before it has not; it may go on."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(errno.ETIMEDOUT, f"no answer within {timeout_s:g} s")


class Apart:
    """most: how many pieces of work go on at a time, with those that are stuck."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy: dict[Hashable, asyncio.Future[Any]] = {}

    async def run(self, what: Hashable, work: Callable[[], T], timeout_s: float) -> T:
        """What work returns, or raises. what: the thing that is worked on. Raises Unanswered; the work then goes on without a result."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._turn(what)
                future = begin(work, str(what))
                self._busy[what] = future
                future.add_done_callback(lambda _: self._busy.pop(what, None))
                return await asyncio.shield(future)
        except TimeoutError as error:
            if isinstance(error, OSError) and error.errno is not None:
                # What the work itself has met.
                raise
            raise Unanswered(timeout_s) from None

    async def _turn(self, what: Hashable) -> None:
        while (before := self._busy.get(what)) is not None or len(self._busy) >= self._most:
            waited_for = [before] if before is not None else list(self._busy.values())
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)


def begin(work: Callable[[], T], name: str) -> "asyncio.Future[T]":
    """Work in a thread of its own, which the end of the process does not wait for. Its failure may be nobody's."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def report(result: Callable[[], None]) -> None:
        # The loop may be closed when work that was stuck comes back.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if future.done() else result())

    def run() -> None:
        try:
            found = work()
        except BaseException as error:
            failure = error
            report(lambda: future.set_exception(failure))
        else:
            report(lambda: future.set_result(found))

    threading.Thread(target=run, name=name[:64], daemon=True).start()
    return future
