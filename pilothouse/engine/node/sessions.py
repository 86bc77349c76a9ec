"""Processes and connections in pods as the API server sees them: a running exec or attach, a forwarded port."""

import asyncio
from collections.abc import AsyncIterator

from pilothouse.aio.tasks import TaskSet
from pilothouse.engine.node.spdy import Connection, SpdyError, Stream, connect
from pilothouse.model.errors import Internal
from pilothouse.model.json import JSONError, dumps, loads

CHUNK = 32 * 1024


class StreamSession:
    """An exec or attach over the runtime's streaming server. Made by `open_session`."""

    def __init__(self, connection: Connection, streams: dict[str, Stream]) -> None:
        self._connection = connection
        self._streams = streams
        self._tasks = TaskSet()
        self._outputs_ended: dict[str, asyncio.Event] = {name: asyncio.Event() for name in ("stdout", "stderr") if name in streams}
        self._tasks.start(connection.run())

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
        if "stdin" in self._streams:
            await self._streams["stdin"].send(data)

    async def close_stdin(self) -> None:
        if "stdin" in self._streams:
            await self._streams["stdin"].end()

    async def resize(self, width: int, height: int) -> None:
        if "resize" in self._streams:
            await self._streams["resize"].send(dumps({"Width": width, "Height": height}) + b"\n")

    async def wait(self) -> int:
        said = b""
        while (data := await self._streams["error"].receive()) is not None:
            said += data
        for ended in self._outputs_ended.values():
            await ended.wait()
        return exit_code(said)

    async def close(self) -> None:
        self._connection.close()
        await self._tasks.close()


def exit_code(said: bytes) -> int:
    """From the Status on the error stream. Raises Internal when the process could not be run."""
    if not said:
        return 0
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


async def open_session(url: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> StreamSession:
    """Raises Internal."""
    wanted = {"error": True, "stdin": stdin, "stdout": stdout, "stderr": stderr and not tty, "resize": tty}
    try:
        connection = await connect(url)
        streams = {name: await connection.open({"streamtype": name}) for name, asked in wanted.items() if asked}
    except SpdyError as error:
        raise Internal(str(error)) from error
    return StreamSession(connection, streams)


class PortStream:
    """A TCP connection into a pod."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def receive(self) -> bytes | None:
        try:
            return await self._reader.read(CHUNK) or None
        except OSError:
            return None

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def end_of_input(self) -> None:
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()

    async def close(self) -> None:
        self._writer.close()
