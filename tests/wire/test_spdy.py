"""A SPDY connection towards peers that keep the rules, and peers that do not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.wire.spdy import Connection, Stream, StreamClosed
from pilothouse.wire.spdy.connection import MAX_STREAMS
from pilothouse.wire.spdy.errors import INVALID_STREAM, REFUSED_STREAM, STREAM_ALREADY_CLOSED
from pilothouse.wire.spdy.frames import (
    INITIAL_WINDOW_SIZE,
    Data,
    GoAway,
    Ping,
    RstStream,
    Settings,
    SynReply,
    SynStream,
    WindowUpdate,
)
from pilothouse.wire.spdy.outgoing import HIGH_BYTES
from pilothouse.wire.spdy.stream import WINDOW_BYTES
from tests.wire.pipes import WAIT_S, Peer, pipe

LARGE = bytes(range(256)) * 8192
"""2 MiB."""


@asynccontextmanager
async def served(on_stream: Callable[[Stream], None]) -> AsyncIterator[Peer]:
    """A peer that is the client of a connection."""
    near, far = pipe()
    async with scope() as tasks:
        connection = Connection(far, is_client=False, on_stream=on_stream)
        tasks.spawn(connection.run())
        yield Peer(near)
        tasks.cancel()


@asynccontextmanager
async def accepted() -> AsyncIterator[tuple[Peer, Stream]]:
    """A peer and the stream 1 that it has opened."""
    streams: list[Stream] = []
    async with served(streams.append) as peer:
        await peer.say(SynStream(1, {"streamtype": "data"}))
        assert await peer.hear() == SynReply(1, {})
        yield peer, streams[0]


@asynccontextmanager
async def both_ends(serve: Callable[[Stream], Coroutine[Any, Any, None]]) -> AsyncIterator[Connection]:
    """The client's end; the other serves each stream."""
    near, far = pipe()
    async with scope() as tasks, asyncio.timeout(4 * WAIT_S):

        def on_stream(stream: Stream) -> None:
            tasks.spawn(serve(stream))

        client = Connection(near, is_client=True)
        server = Connection(far, is_client=False, on_stream=on_stream)
        tasks.spawn(client.run())
        tasks.spawn(server.run())
        yield client
        tasks.cancel()


async def echo(stream: Stream) -> None:
    while (data := await stream.receive()) is not None:
        await stream.send(data)
    stream.end()


async def everything(stream: Stream) -> bytes:
    pieces = []
    while (data := await stream.receive()) is not None:
        pieces.append(data)
    return b"".join(pieces)


async def say_all(stream: Stream, data: bytes) -> None:
    await stream.send(data)
    stream.end()


async def test_many_streams_carry_much_at_once() -> None:
    async with both_ends(echo) as client, scope() as tasks:
        streams = [client.open({"number": str(number)}) for number in range(8)]
        for stream in streams:
            tasks.spawn(say_all(stream, LARGE))
        echoes = [tasks.spawn(everything(stream)) for stream in streams]
        for said in echoes:
            assert await said == LARGE


async def test_each_way_ends_by_itself() -> None:
    async def answer_after_the_end(stream: Stream) -> None:
        await say_all(stream, b"%d bytes" % len(await everything(stream)))

    async with both_ends(answer_after_the_end) as client:
        stream = client.open({})
        await say_all(stream, b"x" * 1000)
        assert await everything(stream) == b"1000 bytes"
        assert not stream.is_reset


async def test_a_stream_that_nobody_reads_does_not_hold_up_the_others() -> None:
    async def serve(stream: Stream) -> None:
        if stream.headers["kind"] == "read":
            await echo(stream)

    async with both_ends(serve) as client, scope() as tasks:
        stuck, free = client.open({"kind": "unread"}), client.open({"kind": "read"})
        await stuck.send(b"x" * WINDOW_BYTES)
        tasks.spawn(say_all(free, LARGE))
        assert await everything(free) == LARGE


async def test_no_more_is_sent_than_the_window_of_the_stream_allows() -> None:
    async with accepted() as (peer, stream), scope() as tasks:
        await peer.say(Settings({INITIAL_WINDOW_SIZE: 1000}), Ping(1))
        assert await peer.hear() == Ping(1)
        sending = tasks.spawn(stream.send(b"x" * 1500))
        assert await peer.hear() == Data(1, b"x" * 1000)
        await peer.say(Ping(3))
        assert await peer.hear() == Ping(3)
        assert not sending.done()
        await peer.say(WindowUpdate(1, 200), Ping(5))
        assert [await peer.hear(), await peer.hear()] == [Ping(5), Data(1, b"x" * 200)]
        await peer.say(Settings({INITIAL_WINDOW_SIZE: 1300}))
        assert await peer.hear() == Data(1, b"x" * 300)


async def test_no_more_is_sent_than_the_window_of_the_connection_allows() -> None:
    async with accepted() as (peer, stream), scope() as tasks:
        await peer.say(WindowUpdate(0, 1), WindowUpdate(1, 1_000_000), Ping(1))
        assert await peer.hear() == Ping(1)
        sending = tasks.spawn(stream.send(b"x" * 100_000))
        assert len(await peer.data(1, WINDOW_BYTES + 1)) == WINDOW_BYTES + 1
        assert not sending.done()
        await peer.say(WindowUpdate(0, 100_000))
        await peer.data(1, 100_000 - WINDOW_BYTES - 1)
        await sending


async def test_a_peer_that_knows_no_windows_gets_everything() -> None:
    async with accepted() as (peer, stream), scope() as tasks:
        tasks.spawn(stream.send(LARGE))
        assert await peer.data(1, len(LARGE)) == LARGE


async def test_windows_open_again_as_data_is_read() -> None:
    async with accepted() as (peer, stream):
        await peer.say(Data(1, b"x" * (WINDOW_BYTES // 2)))
        assert await peer.hear() == WindowUpdate(0, WINDOW_BYTES // 2)
        await stream.receive()
        assert await peer.hear() == WindowUpdate(1, WINDOW_BYTES // 2)


async def test_a_peer_that_knows_no_windows_is_not_read_while_nobody_takes_its_data() -> None:
    async with accepted() as (peer, stream), scope() as tasks:
        sending = tasks.spawn(peer.say(*[Data(1, LARGE[:WINDOW_BYTES])] * 3))
        await sending
        more = tasks.spawn(say_many(peer, 20))
        await asyncio.wait([more], timeout=0.1)
        assert not more.done()
        stream.discard()
        async with asyncio.timeout(WAIT_S):
            await more


async def say_many(peer: Peer, count: int) -> None:
    for _ in range(count):
        await peer.say(Data(1, b"x" * 10_000))


async def test_sending_waits_for_a_peer_that_does_not_read() -> None:
    async with accepted() as (_, stream), scope() as tasks:
        sending = tasks.spawn(stream.send(LARGE * 4))
        await asyncio.wait([sending], timeout=0.1)
        assert not sending.done()
        tasks.cancel()


async def test_a_reset_by_the_peer_ends_both_ways() -> None:
    async with accepted() as (peer, stream):
        await peer.say(Data(1, b"left"), RstStream(1, 5))
        assert [await stream.receive(), await stream.receive()] == [b"left", None]
        assert stream.is_reset
        with pytest.raises(StreamClosed):
            await stream.send(b"x")


async def test_the_end_of_the_connection_breaks_its_streams_off() -> None:
    async with accepted() as (peer, stream):
        await peer.end.close()
        assert await stream.receive() is None
        assert stream.is_reset


async def test_a_peer_that_is_gone_is_noticed_even_while_it_is_not_read() -> None:
    streams: list[Stream] = []
    near, far = pipe()
    async with scope() as tasks, asyncio.timeout(WAIT_S):
        connection, peer = Connection(far, is_client=False, on_stream=streams.append), Peer(near)
        running = tasks.spawn(connection.run())
        await peer.say(SynStream(1, {}), SynStream(3, {}), Data(1, LARGE))
        assert [await peer.hear(), await peer.hear()] == [SynReply(1, {}), SynReply(3, {})]
        far.is_broken = True
        await streams[1].send(b"anybody there?")
        await running
        assert streams[0].is_reset
        tasks.cancel()


async def test_a_refused_stream_is_not_replied_to() -> None:
    near, far = pipe()
    async with scope() as tasks:
        client, peer = Connection(near, is_client=True), Peer(far)
        tasks.spawn(client.run())
        stream = client.open({"streamtype": "error"})
        assert await peer.hear() == SynStream(1, {"streamtype": "error"})
        await peer.say(RstStream(1, REFUSED_STREAM))
        with pytest.raises(StreamClosed):
            await stream.replied()
        tasks.cancel()


async def test_pings_are_answered() -> None:
    async with accepted() as (peer, _):
        await peer.say(Ping(7), Ping(2), Ping(9))
        assert [await peer.hear(), await peer.hear()] == [Ping(7), Ping(9)]


async def test_data_for_a_stream_that_never_was_is_refused() -> None:
    async with accepted() as (peer, _):
        await peer.say(Data(5, b"x"))
        assert await peer.hear() == RstStream(5, INVALID_STREAM)


async def test_data_after_the_end_is_refused() -> None:
    async with accepted() as (peer, stream):
        await peer.say(Data(1, b"x", fin=True), Data(1, b"y"))
        assert await peer.hear() == RstStream(1, STREAM_ALREADY_CLOSED)
        assert [await stream.receive(), await stream.receive()] == [b"x", None]


async def test_data_that_crosses_a_reset_is_passed_over() -> None:
    async with accepted() as (peer, stream):
        stream.reset()
        assert await peer.hear() == RstStream(1, 5)
        await peer.say(Data(1, b"x"), Ping(1))
        assert await peer.hear() == Ping(1)


async def test_streams_beyond_the_limit_are_refused() -> None:
    async with served(lambda stream: None) as peer:
        for number in range(MAX_STREAMS):
            await peer.say(SynStream(2 * number + 1, {}))
            assert await peer.hear() == SynReply(2 * number + 1, {})
        await peer.say(SynStream(2 * MAX_STREAMS + 1, {}), RstStream(1, 5), SynStream(2 * MAX_STREAMS + 3, {}))
        assert await peer.hear() == RstStream(2 * MAX_STREAMS + 1, REFUSED_STREAM)
        assert await peer.hear() == SynReply(2 * MAX_STREAMS + 3, {})


@pytest.mark.parametrize("id", [1, 2], ids=["used before", "of the other end"])
async def test_a_stream_with_a_wrong_id_ends_the_connection(id: int) -> None:
    async with accepted() as (peer, stream):
        await peer.say(SynStream(id, {}))
        assert await peer.hear() == GoAway(1, 1)
        assert await stream.receive() is None


async def test_a_malformed_frame_ends_the_connection_after_what_came_before_it() -> None:
    async with accepted() as (peer, stream):
        await peer.end.send(peer.writer.encode(Data(1, b"before")) + b"\x80\x02\0\0\0\0\0\0")
        assert await peer.hear() == GoAway(1, 1)
        assert [await stream.receive(), await stream.receive()] == [b"before", None]


async def test_a_peer_that_asks_for_more_than_it_takes_is_given_up() -> None:
    near, far = pipe()
    connection = Connection(far, is_client=False)
    async with scope() as tasks, asyncio.timeout(4 * WAIT_S):
        running = tasks.spawn(connection.run())
        pings = Peer(near).writer.encode(Ping(1)) * 10_000
        while not running.done():
            sending = tasks.spawn(near.send(pings))
            await asyncio.wait([running, sending], return_when=asyncio.FIRST_COMPLETED)
        assert near.sent_bytes < 100 * HIGH_BYTES
        tasks.cancel()


async def test_closing_lets_the_peer_take_what_is_on_its_way() -> None:
    streams: list[Stream] = []
    near, far = pipe()
    async with scope() as tasks:
        connection, peer = Connection(far, is_client=False, on_stream=streams.append), Peer(near)
        tasks.spawn(connection.run())
        await peer.say(SynStream(1, {}))
        assert await peer.hear() == SynReply(1, {})
        await say_all(streams[0], b"the last words")
        closing = tasks.spawn(connection.close())
        said = [await peer.hear() for _ in range(3)]
        assert said == [Data(1, b"the last words"), Data(1, b"", fin=True), GoAway(1, 0)]
        await peer.say(SynStream(3, {}))
        assert await peer.hear() == RstStream(3, REFUSED_STREAM)
        await peer.end.close()
        await closing
        assert await peer.hear() is None


async def test_a_quiet_end_says_nothing_that_it_was_not_asked_for() -> None:
    near, far = pipe()
    async with scope() as tasks:
        connection = Connection(far, is_client=True, quiet=True)
        tasks.spawn(connection.run())
        peer, stream = Peer(near), connection.open({"streamtype": "stdout"})
        assert isinstance(await peer.hear(), SynStream)
        await peer.say(SynReply(1, {}), Data(1, LARGE[:WINDOW_BYTES]))
        assert await stream.receive() == LARGE[:WINDOW_BYTES]
        await peer.say(Ping(2))
        assert await peer.hear() == Ping(2)
        tasks.cancel()
