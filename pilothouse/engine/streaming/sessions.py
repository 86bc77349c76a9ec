"""Processes and connections in pods as the API server sees them: a running exec or attach, a forwarded port.

They work over any pipe: straight to the runtime's streaming server, or through a node that hands the bytes on.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from pilothouse.aio.tasks import TaskSet
from pilothouse.engine.streaming.upgrade import BytePipe
from pilothouse.model.errors import Internal
from pilothouse.model.json import JSONError, dumps, loads
from pilothouse.wire.spdy import Connection, Pipe, Stream, StreamClosed

CHUNK = 32 * 1024
OPEN_S = 10.0
LINGER_S = 5.0
"""How long a pod may take to read what it has been sent before its connection is closed."""


class StreamSession:
    """An exec or attach over the runtime's streaming server. Made by `open_session`. What a process that has ended is sent is dropped."""

    def __init__(self, pipe: Pipe, names: list[str]) -> None:
        self._pipe = pipe
        connection = Connection(pipe, is_client=True, quiet=True)
        self._streams: dict[str, Stream] = {name: connection.open({"streamtype": name}) for name in names}
        self._outputs_ended: dict[str, asyncio.Event] = {name: asyncio.Event() for name in ("stdout", "stderr") if name in names}
        self._tasks = TaskSet()
        self._tasks.start(connection.run())

    async def opened(self) -> None:
        """Returns when the server has accepted all streams: what it is sent earlier may be lost. Raises StreamClosed, TimeoutError."""
        async with asyncio.timeout(OPEN_S):
            for stream in self._streams.values():
                await stream.replied()

    def stdout(self) -> AsyncIterator[bytes]:
        return self._output("stdout")

    def stderr(self) -> AsyncIterator[bytes]:
        return self._output("stderr")

    async def _output(self, name: str) -> AsyncIterator[bytes]:
        stream = self._streams.get(name)
        if stream is None:
            return
        while (data := await stream.receive()) is not None:
            yield data
        self._outputs_ended[name].set()

    async def write(self, data: bytes) -> None:
        await self._say("stdin", data)

    async def close_stdin(self) -> None:
        if "stdin" in self._streams:
            self._streams["stdin"].end()

    async def resize(self, width: int, height: int) -> None:
        await self._say("resize", dumps({"Width": width, "Height": height}) + b"\n")

    async def _say(self, name: str, data: bytes) -> None:
        if name in self._streams:
            with suppress(StreamClosed):
                await self._streams[name].send(data)

    async def wait(self) -> int:
        """The exit code, after all output. Raises Internal when the process could not be run, or the runtime broke off."""
        said = b""
        while (data := await self._streams["error"].receive()) is not None:
            said += data
        for ended in self._outputs_ended.values():
            await ended.wait()
        return exit_code(said)

    async def close(self) -> None:
        await self._pipe.close()
        await self._tasks.close()


def exit_code(said: bytes) -> int:
    """From the Status on the error stream. Raises Internal when the process could not be run, or how it ended was not said."""
    if not said:
        raise Internal("the container runtime ended the connection without saying how the process ended; some output may be missing")
    try:
        status = loads(said)
    except JSONError:
        raise Internal(said.decode(errors="replace")) from None
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise Internal(status.get("message") or "the process could not be run")


async def open_session(pipe: BytePipe, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> StreamSession:
    """pipe: switched to SPDY; the session's from here on. Raises Internal."""
    wanted = {"error": True, "stdin": stdin, "stdout": stdout, "stderr": stderr and not tty, "resize": tty}
    session = StreamSession(pipe, [name for name, asked in wanted.items() if asked])
    try:
        await session.opened()
    except (StreamClosed, TimeoutError) as error:
        await session.close()
        raise Internal(f"the runtime did not accept the streams: {error}") from error
    return session


class PortStream:
    """A TCP connection into a pod."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def receive(self) -> bytes | None:
        return await self._reader.read(CHUNK) or None

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def end_of_input(self) -> None:
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()

    async def close(self) -> None:
        self._writer.close()
        try:
            with suppress(OSError):  # TimeoutError among them
                async with asyncio.timeout(LINGER_S):
                    await self._writer.wait_closed()
        finally:
            self._writer.transport.abort()
