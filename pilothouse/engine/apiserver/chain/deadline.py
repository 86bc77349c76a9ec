"""The deadline stage: a request that is to end by itself is cancelled when its time is over.

Most requests have the same time, so they end in the order in which they came: one timer, for the oldest, serves all of them, where
`asyncio.timeout` would set and take back one for each. A request that has become a connection meanwhile (an upgrade that another server has
accepted) takes its deadline away, and goes on.
"""

import asyncio
from typing import Any

from pilothouse.engine.apiserver.chain.routes import is_long_running
from pilothouse.engine.apiserver.chain.stage import Handler
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.model.errors import Timeout

LONGEST_S = 60.0
"""For requests that are to end by themselves. Source: kube-apiserver's --request-timeout."""


class _Run:
    """A task at work on a request. cancelling: requests to cancel it that were not ours."""

    __slots__ = ("cancelling", "is_expired", "request", "task")

    def __init__(self, task: "asyncio.Task[Any]", request: ApiRequest) -> None:
        self.task = task
        self.request = request
        self.cancelling = task.cancelling()
        self.is_expired = False


class Deadlined:
    """usual_s: for requests that state no time of their own (`timeout=`), and the most that one may state."""

    def __init__(self, usual_s: float = LONGEST_S) -> None:
        self._usual_s = usual_s
        self._running: dict[_Run, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, request: ApiRequest, proceed: Handler) -> Any:
        """What has reached the store when the time is over stands. Raises Timeout, and BadRequest for a time that is no duration."""
        if is_long_running(request):
            return await proceed(request)
        loop = asyncio.get_running_loop()
        stated_s = queries.timeout_s(request.query)
        if stated_s:
            request.deadline = loop.time() + min(stated_s, self._usual_s)
            return await _ending(request, proceed)
        task = asyncio.current_task(loop)
        assert task is not None, "a request is answered in a task"
        request.deadline = loop.time() + self._usual_s
        run = _Run(task, request)
        self._running[run] = request.deadline
        if self._timer is None:
            self._timer = loop.call_at(request.deadline, self._expire, loop)
        try:
            return await proceed(request)
        except asyncio.CancelledError as error:
            if run.is_expired and task.uncancel() <= run.cancelling:
                raise _timeout() from error
            raise
        finally:
            self._running.pop(run, None)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the requests whose time is over, the oldest first, and wait for the next."""
        self._timer, now = None, loop.time()
        while self._running:
            run, deadline = next(iter(self._running.items()))
            if deadline > now:
                self._timer = loop.call_at(deadline, self._expire, loop)
                return
            del self._running[run]
            if run.request.deadline is None:
                continue
            run.is_expired = True
            run.task.cancel()


async def _ending(request: ApiRequest, proceed: Handler) -> Any:
    try:
        async with asyncio.timeout_at(request.deadline) as timeout:
            return await proceed(request)
    except TimeoutError as error:
        if not timeout.expired():
            raise
        raise _timeout() from error


def _timeout() -> Timeout:
    why = "request did not complete within requested timeout - context deadline exceeded"
    return Timeout(f"Timeout: {why}", details={})
