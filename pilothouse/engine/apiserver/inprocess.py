"""The API without sockets: the same stages for a client in the same process, with dicts in the place of JSON.

What `call` returns and what a watch yields shares its values with the store: it is never to be changed. A watcher that does not take
its events is cut off once `BOUND` of them wait for it, as one on a socket would be.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any

from pilothouse.aio.tasks import TaskSet, begun
from pilothouse.client.transport import Call, Socket, WatchEvent
from pilothouse.engine.apiserver.aggregator import decoding
from pilothouse.engine.apiserver.answer import DocumentResponse, ListResponse, ObjectResponse, RawResponse, Session, Stored, StreamResponse
from pilothouse.engine.apiserver.chain.routes import Answer
from pilothouse.engine.apiserver.http.frames import list_metadata
from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.request import routing
from pilothouse.engine.apiserver.request.request import ApiRequest, PlainHeaders
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.verbs.watch import BOOKMARK_EVERY_S, Feed
from pilothouse.model.errors import ApiError, BadRequest, NotFound, Unavailable
from pilothouse.model.json import Object, loads

BOUND = 50_000
_CHANNEL_BOUND = 256


class InProcessTransport:
    """A `client.transport.Transport` for one user of one server."""

    def __init__(self, server: ApiServer, user: User) -> None:
        self._server = server
        self._user = user

    def _request(self, call: Call, subprotocols: tuple[str, ...] = ()) -> ApiRequest:
        query: dict[str, list[str]] = {}
        for name, value in call.query:
            query.setdefault(name, []).append(value)
        headers = {"content-type": call.content_type, "accept": call.accept}
        if subprotocols:
            headers["sec-websocket-protocol"] = ", ".join(subprotocols)
        body = b"" if call.body is None else call.body
        return ApiRequest(call.method, routing.parse(call.path), query, PlainHeaders(headers), body, self._user)

    async def _answer(self, call: Call, subprotocols: tuple[str, ...] = ()) -> Answer:
        """Raises ApiError; also for a page that is not there or says that something is wrong."""
        try:
            async with asyncio.timeout(call.timeout_s) as timeout:
                answer = await self._server.call(self._request(call, subprotocols))
        except TimeoutError as error:
            if timeout.expired():
                raise Unavailable(f"{call.method} {call.path} was not answered within {call.timeout_s:g} s") from error
            raise
        if isinstance(answer, RawResponse) and answer.status >= 400:
            raise _failed(answer)
        return answer

    async def call(self, call: Call) -> Any:
        answer = await self._answer(call)
        if isinstance(answer, StreamResponse) and (decoding.is_json(answer) or answer.status >= 400):
            return await decoding.value(answer)
        return _value(answer)

    @asynccontextmanager
    async def watch(self, call: Call) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        answer = await self._answer(call)
        if isinstance(answer, StreamResponse):
            found = decoding.events(answer)
        elif isinstance(answer, Feed):
            found = _events(answer)
        else:
            raise BadRequest(f"{call.path} is not a watch")
        async with aclosing(found) as events:
            yield events

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[AsyncIterator[bytes]]:
        answer = await self._answer(call)
        if isinstance(answer, StreamResponse):
            chunks: Any = answer.chunks
            async with aclosing(chunks):
                yield chunks
        else:
            yield _once(answer.body if isinstance(answer, RawResponse) else b"")

    @asynccontextmanager
    async def connect(self, call: Call, subprotocols: tuple[str, ...]) -> AsyncIterator[Socket]:
        answer = await self._answer(call, subprotocols)
        if not isinstance(answer, Session):
            raise BadRequest(f"{call.path} is no session")
        chosen = next((protocol for protocol in subprotocols if protocol in answer.protocols), None)
        if chosen is None:
            raise BadRequest(f"none of the protocols {', '.join(subprotocols)} is spoken here")
        near, far = _socket_pair(chosen)
        session = TaskSet()
        # The session is no part of the block: what the block raises leaves as it is, in no exception group.
        running = session.start(_run(answer, far))
        try:
            yield near
        finally:
            await near.close()
            await session.close()
        if running.done() and not running.cancelled() and (failure := running.result()) is not None:
            raise failure

    async def close(self) -> None:
        """Nothing is held."""


async def _run(answer: Session, far: "_Channel") -> ApiError | None:
    """The session's failure; its other end sees no more than the end."""
    try:
        await answer.run(far)
    except ApiError as failure:
        return failure
    finally:
        await far.close()
    return None


def _failed(answer: RawResponse) -> ApiError:
    text = answer.body.decode(errors="replace").strip()
    return NotFound(text, details={}) if answer.status == 404 else ApiError(text, code=answer.status, reason="")


def _value(answer: Answer) -> Any:
    if isinstance(answer, DocumentResponse):
        return answer.value
    if isinstance(answer, ObjectResponse):
        return answer.served.typed(answer.record.value)
    if isinstance(answer, ListResponse):
        return _list(answer)
    if isinstance(answer, RawResponse):
        return loads(answer.body) if answer.content_type.startswith("application/") else answer.body.decode()
    raise BadRequest(f"an answer of this kind is no single value: {type(answer).__name__}")


def _list(answer: ListResponse) -> Object:
    served = answer.served
    if served.custom:
        items = [served.typed(record.peek()) for record in answer.records]
    elif served.kind.from_stored is not None:
        items = [served.kind.from_stored(record.peek()) for record in answer.records]
    else:
        items = [record.peek() for record in answer.records]
    head = {"kind": served.list_kind, "apiVersion": served.resource.api_version}
    return head | {"metadata": list_metadata(answer), "items": items}


async def _once(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data


async def _events(feed: Feed) -> AsyncGenerator[WatchEvent, None]:
    """Initial objects, then changes, until the watch's time is up; raises ApiError when the watcher has fallen behind."""
    queue = _Queue()
    served = feed.served
    try:
        async with asyncio.timeout(feed.timeout_s) as timeout:
            for record in feed.initial:
                yield WatchEvent("ADDED", served.typed(record.peek()))
            if feed.ends_initial:
                yield WatchEvent("BOOKMARK", served.typed(feed.bookmark(end_of_initial=True).value))
            feed.initial = []
            await feed.catch_up(queue.put, partial(asyncio.sleep, 0))
            feed.start(queue.put)
            served.ended.add(queue.wake)
            async with begun(feed.pump()) as pump:
                pump.add_done_callback(lambda _: queue.wake())
                while True:
                    is_over = pump.done() or feed.ended.is_set()
                    event = await queue.take(0 if is_over else BOOKMARK_EVERY_S)
                    if event is not None:
                        yield WatchEvent(event[0], served.typed(event[1].value))
                    elif pump.done():
                        pump.result()
                    elif feed.ended.is_set():
                        return
                    elif feed.bookmarks:
                        yield WatchEvent("BOOKMARK", served.typed(feed.bookmark().value))
    except TimeoutError:
        if not timeout.expired():
            raise
    finally:
        served.ended.discard(queue.wake)
        feed.close()


class _Queue:
    """Events on their way from the store to one reader."""

    def __init__(self) -> None:
        self._events: deque[tuple[str, Stored]] = deque()
        self._wake = asyncio.Event()
        self._overrun = False

    def put(self, type: str, record: Stored) -> None:
        if len(self._events) >= BOUND:
            self._overrun = True
        else:
            self._events.append((type, record))
        self._wake.set()

    def wake(self) -> None:
        """Let the reader look for what else has happened."""
        self._wake.set()

    async def take(self, wait_s: float) -> tuple[str, Stored] | None:
        """The next event, None when there was none for so long, or when the reader has been woken for something else."""
        if self._overrun:
            raise ApiError(f"the watcher fell more than {BOUND} events behind; list again", code=410, reason="Expired")
        if not self._events:
            self._wake.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                return None
        return self._events.popleft() if self._events else None


class _Lane:
    """One direction of a socket: whoever sends waits while it is full, and sends into the void once nobody listens."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._changed = asyncio.Condition()
        self._ended = False
        self._deaf = False

    async def put(self, message: bytes) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._messages) < _CHANNEL_BOUND or self._ended or self._deaf)
            if not self._ended and not self._deaf:
                self._messages.append(message)
                self._changed.notify_all()

    async def take(self) -> bytes | None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._messages or self._ended or self._deaf)
            if self._deaf or not self._messages:
                return None
            self._changed.notify_all()
            return self._messages.popleft()

    async def end(self, *, deaf: bool) -> None:
        """No more is sent; deaf: and what has been sent is not wanted."""
        async with self._changed:
            self._ended = True
            self._deaf = self._deaf or deaf
            self._changed.notify_all()


class _Channel:
    """One end of a socket that goes nowhere but to its other end."""

    def __init__(self, protocol: str, inbox: _Lane, outbox: _Lane) -> None:
        self._protocol = protocol
        self._inbox = inbox
        self._outbox = outbox

    @property
    def subprotocol(self) -> str:
        return self._protocol

    async def send(self, data: bytes | str) -> None:
        await self._outbox.put(data.encode() if isinstance(data, str) else data)

    async def receive(self) -> bytes | None:
        return await self._inbox.take()

    async def close(self) -> None:
        await self._outbox.end(deaf=False)
        await self._inbox.end(deaf=True)


def _socket_pair(protocol: str) -> tuple[_Channel, _Channel]:
    one, other = _Lane(), _Lane()
    return _Channel(protocol, one, other), _Channel(protocol, other, one)
