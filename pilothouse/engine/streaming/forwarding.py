"""Port forwarding over SPDY: each connection is a pair of streams, one for its data and one to say why it failed.

The two name each other by `requestid`. The client says nothing on the error stream and waits for its end, so it is ended as soon as the
pod has nothing more to send; what the client still sends goes on to the pod. Source: client-go's portforward, kubelet's httpstream.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pilothouse.aio.tasks import Scope, scope
from pilothouse.engine.streaming.seams import PortStream
from pilothouse.model.digits import natural
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.wire.spdy import PROTOCOL_ERROR, Connection, Pipe, Stream, StreamClosed

PROTOCOL, TUNNEL = "portforward.k8s.io", "SPDY/3.1+portforward.k8s.io"
"""Of the streams, and as a subprotocol of a WebSocket that carries them."""
PAIR_S = 30.0
"""How long one stream of a pair waits for the other."""
_KINDS = ("error", "data")
_FAILED = "error forwarding port"
"""How a node begins to say why there is no connection."""


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
            if (unconnected := await _carry(inside, data, error)) is not None:
                await self._refuse(pair.port, unconnected, error, data)
        finally:
            await inside.close()

    async def _refuse(self, port: int, failure: ApiError, error: Stream, data: Stream) -> None:
        metadata = self._pod["metadata"]
        text = failure.message
        if not text.startswith(_FAILED):
            text = f"{_FAILED} {port} to pod {metadata['name']}, uid {metadata['uid']}: {text}"
        data.discard()
        with suppress(StreamClosed):
            await error.send(text.encode())
        error.end()
        data.end()


async def _carry(inside: PortStream, data: Stream, error: Stream) -> ApiError | None:
    """Until both ways have ended, or the client has given the connection up; why there has been none, where that shows only now."""
    failure: ApiError | None = None
    async with scope() as tasks:
        outward = tasks.spawn(_from_pod(inside, data, error))
        inward = tasks.spawn(_to_pod(data, inside))
        await asyncio.wait((outward, inward), return_when=asyncio.FIRST_COMPLETED)
        failure = outward.result() if outward.done() else None
        if failure is None:
            await inward
            if data.is_reset:
                tasks.cancel()
            failure = await outward
        else:
            tasks.cancel()
    if failure is None:
        error.end()
    return failure


async def _to_pod(data: Stream, inside: PortStream) -> None:
    try:
        while (piece := await data.receive()) is not None:
            await inside.send(piece)
        await inside.end_of_input()
    except OSError:
        data.discard()


async def _from_pod(inside: PortStream, data: Stream, error: Stream) -> ApiError | None:
    # StreamClosed is an OSError too: then it is the client that takes no more.
    try:
        with suppress(OSError):
            while (piece := await inside.receive()) is not None:
                await data.send(piece)
    except ApiError as failure:
        return failure
    data.end()
    error.end()
    return None
