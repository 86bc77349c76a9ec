"""A node in another process as a `NodeConnector`: each request goes to the node's server, over its unix socket."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path
from urllib.parse import urlencode

from pilothouse.aio.tasks import TaskSet
from pilothouse.engine.apiserver.kubelet.body import Body
from pilothouse.engine.apiserver.kubelet.queries import failure, log_query, target, wanted_streams
from pilothouse.engine.apiserver.nodes import LogOptions, PortStream
from pilothouse.engine.streaming import upgrade
from pilothouse.engine.streaming.sessions import StreamSession, open_session
from pilothouse.engine.streaming.upgrade import BytePipe
from pilothouse.model.errors import ApiError, Internal, Unavailable
from pilothouse.model.json import Object
from pilothouse.wire.spdy import PROTOCOL, Connection, Stream, StreamClosed

HEAD_S = 10.0
"""The node begins its answer at once, also where a container has said nothing yet."""
SAID_S, SAID_BYTES = 5.0, 16 * 1024
LINGER_S = 5.0
"""How long a pod may take to read what it has been sent before its connection is closed."""


async def streamed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wanted: str, host: str) -> AsyncGenerator[bytes, None]:
    """The body of the answer to a GET, on a connection that ends with it.

    Raises ApiError for an answer that is none, and OSError (TimeoutError among them) or EOFError where the node does not go on.
    """
    try:
        writer.write(f"GET {wanted} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        body = Body(reader)
        async with asyncio.timeout(HEAD_S):
            status = await body.head()
        if status != 200:
            raise failure(status, await body.whole())
        async for piece in body.pieces():
            yield piece
    finally:
        writer.transport.abort()


class RemoteNode:
    """socket: of the node's server; it need not be there yet."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def logs(self, pod: Object, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        wanted = target("containerLogs", pod, container) + "?" + log_query(options)
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError as error:
            raise self._unreachable(pod) from error
        try:
            async with aclosing(streamed(reader, writer, wanted, "node")) as pieces:
                async for piece in pieces:
                    yield piece
        except (OSError, EOFError) as error:
            raise self._unreachable(pod) from error

    async def exec(
        self, pod: Object, container: str, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> StreamSession:
        streams = wanted_streams(stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        query = urlencode([*(("command", word) for word in command), *streams])
        pipe = await self._open(pod, f"{target('exec', pod, container)}?{query}")
        return await open_session(pipe, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)

    async def attach(self, pod: Object, container: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> StreamSession:
        query = urlencode(wanted_streams(stdin=stdin, stdout=stdout, stderr=stderr, tty=tty))
        pipe = await self._open(pod, f"{target('attach', pod, container)}?{query}")
        return await open_session(pipe, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)

    async def connect(self, pod: Object, port: int) -> PortStream:
        return ForwardedPort(await self._open(pod, f"{target('portForward', pod)}?port={port}"))

    async def _open(self, pod: Object, wanted: str) -> BytePipe:
        try:
            return await upgrade.to_socket(self._socket, wanted, PROTOCOL)
        except upgrade.Refused as error:
            raise error.status or self._unreachable(pod) from error

    def _unreachable(self, pod: Object) -> ApiError:
        node = (pod.get("spec") or {}).get("nodeName")
        return Unavailable(f"node {node} does not answer: it is starting, or has ended; try again in a moment")


class ForwardedPort:
    """A connection to a port of a pod, as the only data stream of a SPDY connection to the node.

    port: 0 for one that the request has named; else it is named by the streams, of which one more says why there is no connection.
    """

    def __init__(self, pipe: BytePipe, port: int = 0) -> None:
        self._pipe = pipe
        self._connection = Connection(pipe, is_client=True)
        named = {"port": str(port), "requestid": "0"} if port else {}
        self._error: Stream | None = None
        if port:
            self._error = self._connection.open({"streamtype": "error"} | named)
            self._error.end()
        self._stream: Stream = self._connection.open({"streamtype": "data"} | named)
        self._tasks = TaskSet()
        self._running = self._tasks.start(self._connection.run())

    async def receive(self) -> bytes | None:
        data = await self._stream.receive()
        if data is not None:
            return data
        if said := await self._failure():
            raise Internal(said)
        if self._stream.is_reset:
            raise StreamClosed("the pod has broken the connection")
        return None

    async def _failure(self) -> str:
        """Why there has been no connection, which the node says together with the end of the data; "" when there was one."""
        said = b""
        if self._error is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(SAID_S):
                    while len(said) < SAID_BYTES and (data := await self._error.receive()) is not None:
                        said += data
        return said.decode(errors="replace").strip()

    async def send(self, data: bytes) -> None:
        await self._stream.send(data)

    async def end_of_input(self) -> None:
        self._stream.end()

    async def close(self) -> None:
        """What was sent is on its way when this returns, unless the pod does not read it within `LINGER_S`."""
        self._stream.end()
        try:
            async with asyncio.timeout(LINGER_S):
                await self._connection.close()
        except (TimeoutError, OSError):
            pass
        finally:
            await self._pipe.close()
            await self._tasks.close()
