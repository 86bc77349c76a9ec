"""Port forwarding over SPDY: each connection is a pair of streams, one for its data and one to say why it failed.

The two name each other by `requestid`. The client says nothing on the error stream and waits for its end, so it is ended as soon as the
pod has nothing more to send; what the client still sends goes on to the pod. Source: client-go's portforward, kubelet's httpstream.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from pilothouse.aio.tasks import Scope, scope
from pilothouse.model.digits import natural
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.wire.spdy import PROTOCOL_ERROR, Connection, Pipe, Stream, StreamClosed

PAIR_S = 30.0
"""How long one stream of a pair waits for the other."""
_KINDS = ("error", "data")


class PortStream(Protocol):
    """A connection to a port of a pod. Everything but close() raises OSError once the pod has broken it."""

    async def receive(self) -> bytes | None: ...
    async def send(self, data: bytes) -> None: ...
    async def end_of_input(self) -> None: ...
    async def close(self) -> None: ...


Connect = Callable[[Object, int], Awaitable[PortStream]]


async def serve(pipe: Pipe, pod: Object, connect: Connect) -> None:
    """Forward whatever the client opens, until it is gone."""
    try:
        async with scope() as tasks:
            connection = Connection(pipe, is_client=False, on_stream=_Pairs(tasks, pod, connect).add)
            await connection.run()
            tasks.cancel()
    finally:
        await pipe.close()


class _Pair:
    """The two streams of a connection, as far as they have come."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: dict[str, Stream] = {}
        self.complete = asyncio.Event()


class _Pairs:
    def __init__(self, tasks: Scope, pod: Object, connect: Connect) -> None:
        self._tasks = tasks
        self._pod = pod
        self._connect = connect
        self._pairs: dict[str, _Pair] = {}

    def add(self, stream: Stream) -> None:
        kind, port = stream.headers.get("streamtype", ""), natural(stream.headers.get("port", "")) or 0
        id = stream.headers.get("requestid", "")
        if kind not in _KINDS or not 0 < port < 65536:
            stream.reset(PROTOCOL_ERROR)
            return
        pair = self._pairs.get(id)
        if pair is None:
            pair = self._pairs[id] = _Pair(port)
            self._tasks.spawn(self._forward(id, pair))
        if kind in pair.streams or port != pair.port:
            stream.reset(PROTOCOL_ERROR)
            return
        pair.streams[kind] = stream
        if len(pair.streams) == len(_KINDS):
            pair.complete.set()

    async def _forward(self, id: str, pair: _Pair) -> None:
        try:
            async with asyncio.timeout(PAIR_S):
                await pair.complete.wait()
        except TimeoutError:
            for stream in pair.streams.values():
                stream.reset()
            return
        finally:
            del self._pairs[id]
        error, data = (pair.streams[kind] for kind in _KINDS)
        error.discard()
        try:
            inside = await self._connect(self._pod, pair.port)
        except ApiError as failure:
            await self._refuse(pair.port, failure, error, data)
            return
        try:
            await _carry(inside, data, error)
        finally:
            await inside.close()

    async def _refuse(self, port: int, failure: ApiError, error: Stream, data: Stream) -> None:
        metadata = self._pod["metadata"]
        text = f"error forwarding port {port} to pod {metadata['name']}, uid {metadata['uid']}: {failure.message}"
        data.discard()
        with suppress(StreamClosed):
            await error.send(text.encode())
        error.end()
        data.end()


async def _carry(inside: PortStream, data: Stream, error: Stream) -> None:
    """Until both ways have ended, or the client has given the connection up."""
    async with scope() as tasks:
        outward = tasks.spawn(_from_pod(inside, data, error))
        await _to_pod(data, inside)
        if data.is_reset:
            tasks.cancel()
        await outward
    error.end()


async def _to_pod(data: Stream, inside: PortStream) -> None:
    try:
        while (piece := await data.receive()) is not None:
            await inside.send(piece)
        await inside.end_of_input()
    except OSError:
        data.discard()


async def _from_pod(inside: PortStream, data: Stream, error: Stream) -> None:
    # StreamClosed is an OSError too: then it is the client that takes no more.
    with suppress(OSError):
        while (piece := await inside.receive()) is not None:
            await data.send(piece)
    data.end()
    error.end()
