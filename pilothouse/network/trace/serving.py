"""What is asked of a node about a packet, over HTTP.

    POST /trace      with what `wanted` reads as JSON; answers with {"id": ID} once the packet would be seen, or has been sent
    POST /trace/ID   answers when the packet has come by or has been waited for: {"steps": [...], "sent": {"result", "message"} or null}
    POST /trace/ID/end   nobody waits for it any more: the rule that looks for the packet goes at once

One at a time; who comes meanwhile is told to come again. What nobody fetches is forgotten. Failures are Status objects.
"""

import asyncio
import errno
import secrets
from collections.abc import Awaitable, Callable, Sequence
from threading import Event

from pilothouse.aio.tasks import TaskSet
from pilothouse.linux.nft import NftFailure
from pilothouse.model.errors import ApiError, BadRequest, Conflict, Internal, MethodNotAllowed, NotFound, TooManyRequests
from pilothouse.model.json import dumps, loads
from pilothouse.network.trace.config import TraceConfig
from pilothouse.network.trace.wanted import Sending, Wanted, wanted
from pilothouse.network.trace.watch import Report, watch
from pilothouse.wire.messages import Request, Response

WORD = "trace"
JSON = (("content-type", "application/json"),)
NamespaceOf = Callable[[Sending], Awaitable[str]]


class Tracing:
    """namespace_of: the path of a pod's network namespace; raises ApiError where there is none. Made in the event loop that it works in."""

    def __init__(self, config: TraceConfig, namespace_of: NamespaceOf) -> None:
        self._config = config
        self._namespace_of = namespace_of
        self._tasks = TaskSet()
        self._begun: dict[str, asyncio.Task[Report]] = {}
        self._ends: dict[str, Event] = {}

    async def answer(self, request: Request, words: Sequence[str]) -> Response:
        try:
            if request.method != "POST" or list(words[2:]) not in ([], ["end"]):
                raise MethodNotAllowed("a trace is asked for by POST")
            if len(words) == 1:
                return Response(200, JSON, dumps({"id": await self.begin(_read(request))}))
            if len(words) == 3:
                self.forget(words[1])
                return Response(200, JSON, dumps({}))
            return Response(200, JSON, dumps((await self.end(words[1])).document()))
        except ApiError as error:
            return Response(error.code, JSON, dumps(error.to_status()))

    async def begin(self, asked: Wanted) -> str:
        """Returns once the packet would be seen. Raises ApiError."""
        if any(not task.done() for task in self._begun.values()):
            raise TooManyRequests("this node traces another packet just now: try again in some seconds")
        self._begun.clear()
        self._ends.clear()
        ready, ends = asyncio.Event(), Event()
        task = self._tasks.start(self._watched(asked, ready, ends))
        identifier = secrets.token_hex(8)
        self._begun[identifier], self._ends[identifier] = task, ends
        task.add_done_callback(lambda _: ready.set())
        await ready.wait()
        if task.done():
            await task
        return identifier

    def forget(self, identifier: str) -> None:
        """Who has asked for it has gone. A trace that is over already is as well."""
        if (ends := self._ends.get(identifier)) is not None:
            ends.set()

    async def end(self, identifier: str) -> Report:
        """Raises ApiError."""
        task = self._begun.pop(identifier, None)
        if task is None:
            raise NotFound(f"there is no trace {identifier[:40]!r} here")
        return await asyncio.shield(task)

    async def _watched(self, asked: Wanted, ready: asyncio.Event, ends: Event) -> Report:
        netns = None if asked.sending is None else await self._namespace_of(asked.sending)
        loop = asyncio.get_running_loop()

        def would_be_seen() -> None:
            loop.call_soon_threadsafe(ready.set)

        try:
            return await asyncio.to_thread(watch, self._config, asked, netns, would_be_seen, ends)
        except NftFailure as error:
            raise Internal(f"this node cannot trace packets: {error}") from error
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Conflict(f"the pod uses port {asked.source_port} itself: choose another one for the packet") from error
            raise Internal(f"the packet is not sent: {error.strerror or error}") from error


def _read(request: Request) -> Wanted:
    try:
        body = loads(request.body or b"")
    except ValueError as error:
        raise BadRequest("what is to be traced is not JSON") from error
    if not isinstance(body, dict):
        raise BadRequest("what is to be traced is an object")
    return wanted(body)
