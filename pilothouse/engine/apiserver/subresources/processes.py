"""exec and attach over SPDY: a process's streams are streams of the connection, told apart by their `streamtype`.

The client opens them all before anything starts: `error`, which brings the final Status, those of standard input, output and error that
it asked for, and `resize` with a terminal. v5 differs from v4 only over WebSockets. Source: client-go's remotecommand.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

from pilothouse.aio.tasks import Scope, scope
from pilothouse.engine.apiserver.nodes import ExecSession
from pilothouse.engine.streaming import channels
from pilothouse.model.errors import ApiError, BadRequest
from pilothouse.model.json import Object, dumps
from pilothouse.wire.spdy import PROTOCOL_ERROR, Connection, Pipe, Stream, StreamClosed

OPEN_S = 30.0
"""How long the client may take to open its streams."""
LARGEST_SIZE = 1024
"""Bytes of one terminal size."""

Start = Callable[[], Awaitable[ExecSession]]


async def serve(pipe: Pipe, wanted: Mapping[str, bool], start: Start) -> None:
    """wanted: stdin, stdout, stderr, tty."""
    streams = _Streams(_expected(wanted))
    async with scope() as tasks:
        connection = Connection(pipe, is_client=False, on_stream=streams.add)
        tasks.spawn(_until_gone(connection, tasks))
        try:
            await _run(streams, start)
        finally:
            await connection.close()
        tasks.cancel()


def _expected(wanted: Mapping[str, bool]) -> set[str]:
    asked = {"resize" if name == "tty" else name for name, is_wanted in wanted.items() if is_wanted}
    return {"error"} | asked


async def _until_gone(connection: Connection, tasks: Scope) -> None:
    await connection.run()
    tasks.cancel()


class _Streams:
    """Those that a client is expected to open, as far as it has."""

    def __init__(self, expected: set[str]) -> None:
        self._expected = expected
        self._opened: dict[str, Stream] = {}
        self._complete = asyncio.Event()

    def add(self, stream: Stream) -> None:
        kind = stream.headers.get("streamtype", "")
        if kind not in self._expected or kind in self._opened:
            stream.reset(PROTOCOL_ERROR)
            return
        if kind not in ("stdin", "resize"):
            stream.discard()
        self._opened[kind] = stream
        if len(self._opened) == len(self._expected):
            self._complete.set()

    async def all(self) -> Mapping[str, Stream]:
        """Raises BadRequest when they do not come in time."""
        try:
            async with asyncio.timeout(OPEN_S):
                await self._complete.wait()
        except TimeoutError:
            raise BadRequest(f"the client did not open its streams within {OPEN_S:g} s") from None
        return self._opened


async def _run(streams: _Streams, start: Start) -> None:
    opened = await streams.all()
    try:
        session = await start()
    except ApiError as failure:
        await _finish(opened, failure.to_status())
        return
    try:
        await _carry(opened, session)
    finally:
        await session.close()


async def _carry(opened: Mapping[str, Stream], session: ExecSession) -> None:
    async with scope() as tasks:
        if "stdin" in opened:
            tasks.spawn(_feed(opened["stdin"], session))
        if "resize" in opened:
            tasks.spawn(_resize(opened["resize"], session))
        outputs = [tasks.spawn(_pump(opened.get(name), pieces)) for name, pieces in _outputs(session)]
        await asyncio.wait(outputs)
        await _finish(opened, await channels.outcome(session))
        tasks.cancel()


def _outputs(session: ExecSession) -> list[tuple[str, AsyncIterator[bytes]]]:
    return [("stdout", session.stdout()), ("stderr", session.stderr())]


async def _feed(stdin: Stream, session: ExecSession) -> None:
    """A process may close its end before the client has said everything."""
    with suppress(OSError):
        while (data := await stdin.receive()) is not None:
            await session.write(data)
        await session.close_stdin()
    stdin.discard()


async def _resize(sizes: Stream, session: ExecSession) -> None:
    """Sizes are JSON objects, one behind the other, each with a line end behind it."""
    held = b""
    while (data := await sizes.receive()) is not None:
        *lines, held = (held + data).split(b"\n")
        for line in lines:
            await channels.resize(session, line)
        held = held[-LARGEST_SIZE:]


async def _pump(stream: Stream | None, pieces: AsyncIterator[bytes]) -> None:
    """What the process says is taken even when nobody wants it any more, so that it can end."""
    async for piece in pieces:
        if stream is not None:
            with suppress(StreamClosed):
                await stream.send(piece)


async def _finish(opened: Mapping[str, Stream], status: Object) -> None:
    for name in ("stdout", "stderr"):
        if name in opened:
            opened[name].end()
    with suppress(StreamClosed):
        await opened["error"].send(dumps(status))
    opened["error"].end()
