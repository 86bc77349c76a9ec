"""A node in another process as a `NodeConnector`: each request goes to the node's server, over its unix socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlencode

from pilothouse.aio.tasks import TaskSet
from pilothouse.engine.apiserver.kubelet.body import Body
from pilothouse.engine.apiserver.nodes import LogOptions, PortStream
from pilothouse.engine.streaming import upgrade
from pilothouse.engine.streaming.sessions import StreamSession, open_session
from pilothouse.engine.streaming.upgrade import BytePipe
from pilothouse.model.errors import ApiError, Unavailable
from pilothouse.model.json import JSONError, Object, loads
from pilothouse.wire.spdy import PROTOCOL, Connection, Stream, StreamClosed

HEAD_S = 10.0
"""The node begins its answer at once, also where a container has said nothing yet."""
LINGER_S = 5.0
"""How long a pod may take to read what it has been sent before its connection is closed."""


class RemoteNode:
    """socket: of the node's server; it need not be there yet."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def logs(self, pod: Object, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        target = _target("containerLogs", pod, container) + "?" + _log_query(options)
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError as error:
            raise self._unreachable(pod) from error
        try:
            writer.write(f"GET {target} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n".encode())
            body = Body(reader)
            async with asyncio.timeout(HEAD_S):
                status = await body.head()
            if status != 200:
                raise _failure(status, await body.whole())
            async for piece in body.pieces():
                yield piece
        except (OSError, EOFError) as error:  # TimeoutError among them
            raise self._unreachable(pod) from error
        finally:
            writer.transport.abort()

    async def exec(
        self, pod: Object, container: str, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> StreamSession:
        wanted = _streams(stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        query = urlencode([*(("command", word) for word in command), *wanted])
        pipe = await self._open(pod, f"{_target('exec', pod, container)}?{query}")
        return await open_session(pipe, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)

    async def attach(self, pod: Object, container: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> StreamSession:
        query = urlencode(_streams(stdin=stdin, stdout=stdout, stderr=stderr, tty=tty))
        pipe = await self._open(pod, f"{_target('attach', pod, container)}?{query}")
        return await open_session(pipe, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)

    async def connect(self, pod: Object, port: int) -> PortStream:
        return ForwardedPort(await self._open(pod, f"{_target('portForward', pod)}?port={port}"))

    async def _open(self, pod: Object, target: str) -> BytePipe:
        try:
            return await upgrade.to_socket(self._socket, target, PROTOCOL)
        except upgrade.Refused as error:
            raise error.status or self._unreachable(pod) from error

    def _unreachable(self, pod: Object) -> ApiError:
        node = (pod.get("spec") or {}).get("nodeName")
        return Unavailable(f"node {node} does not answer: it is starting, or has ended; try again in a moment")


class ForwardedPort:
    """A connection to a port of a pod, as the only stream of a SPDY connection to the node."""

    def __init__(self, pipe: BytePipe) -> None:
        self._pipe = pipe
        self._connection = Connection(pipe, is_client=True)
        self._stream: Stream = self._connection.open({"streamtype": "data"})
        self._tasks = TaskSet()
        self._running = self._tasks.start(self._connection.run())

    async def receive(self) -> bytes | None:
        data = await self._stream.receive()
        if data is None and self._stream.is_reset:
            raise StreamClosed("the pod has broken the connection")
        return data

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


def _target(verb: str, pod: Object, *more: str) -> str:
    metadata = pod["metadata"]
    return "/" + "/".join(quote(word, safe="") for word in (verb, metadata["namespace"], metadata["name"], metadata["uid"], *more))


def _streams(*, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> list[tuple[str, str]]:
    asked = {"input": stdin, "output": stdout, "error": stderr, "tty": tty}
    return [(name, "1") for name, is_wanted in asked.items() if is_wanted]


def _log_query(options: LogOptions) -> str:
    given = {
        "follow": "true" if options.follow else None,
        "previous": "true" if options.previous else None,
        "timestamps": "true" if options.timestamps else None,
        "sinceSeconds": options.since_s,
        "sinceTime": options.since or None,
        "tailLines": options.tail,
        "limitBytes": options.limit_bytes,
        "stream": options.stream,
    }
    return urlencode([(name, str(value)) for name, value in given.items() if value is not None])


def _failure(status: int, said: bytes) -> ApiError:
    try:
        answer = loads(said)
    except JSONError:
        return ApiError(said.decode(errors="replace") or f"the node answered {status}", code=status)
    return ApiError.from_status(answer)
