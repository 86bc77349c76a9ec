"""WebSockets, as a browser's or kubectl's library speaks them."""

import asyncio
import contextlib
import os

import aiohttp
import pytest
from websockets.asyncio.client import connect as ws_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from pilothouse.wire import Disconnected, Request, Response, WebSocket
from pilothouse.wire.websocket import UNREAD_REPLIES_BYTES
from tests.wire.conftest import Connect, Start

UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
)


async def echo(request: Request) -> None:
    socket = await request.websocket(["v4.channel.k8s.io", "v5.channel.k8s.io"])
    while (message := await socket.receive()) is not None:
        await socket.send(message)


def masked(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


async def test_messages_go_both_ways(start: Start) -> None:
    server = await start(echo)
    async with ws_connect(f"ws://127.0.0.1:{server.port}/", max_size=None) as client:
        for size in (0, 1, 125, 126, 65535, 65536, 3_000_000):
            message = os.urandom(size)
            await client.send(message)
            assert await client.recv() == message


async def test_text_arrives_as_bytes_and_leaves_as_text(start: Start) -> None:
    async def handler(request: Request) -> None:
        socket = await request.websocket()
        message = await socket.receive()
        assert message is not None
        await socket.send(message.decode().upper())

    server = await start(handler)
    async with ws_connect(f"ws://127.0.0.1:{server.port}/") as client:
        await client.send("größe")
        assert await client.recv() == "GRÖSSE"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["v5.channel.k8s.io"], "v5.channel.k8s.io"), (["x", "v5.channel.k8s.io", "v4.channel.k8s.io"], "v5.channel.k8s.io"), (None, None)],
)
async def test_first_subprotocol_of_the_client_that_is_known_is_chosen(start: Start, offered: list[str] | None, chosen: str | None) -> None:
    server = await start(echo)
    async with ws_connect(f"ws://127.0.0.1:{server.port}/", subprotocols=offered) as client:  # type: ignore[arg-type]
        assert client.subprotocol == chosen


async def test_a_subprotocol_whose_name_is_no_token_is_chosen_as_it_is(start: Start, connect: Connect) -> None:
    """RFC 6455 wants tokens, in which there is no slash; Kubernetes' tunnel is called so nevertheless."""
    tunnel = "SPDY/3.1+portforward.k8s.io"

    async def handler(request: Request) -> None:
        await request.websocket([tunnel, "v4.channel.k8s.io"])

    client = await connect(await start(handler))
    client.get("/", *UPGRADE, f"Sec-WebSocket-Protocol: {tunnel}, v4.channel.k8s.io")
    head = await client.read_until(b"\r\n\r\n")
    assert b"101 Switching" in head
    assert f"sec-websocket-protocol: {tunnel}\r\n".encode() in head


async def test_unknown_subprotocol_is_refused_with_400_and_the_connection_goes_on(start: Start, connect: Connect) -> None:
    client = await connect(await start(echo))
    client.get("/", *UPGRADE, "Sec-WebSocket-Protocol: x, y")
    answer = await client.answer()
    assert (answer.status, b"offered x, y" in answer.body) == (400, True)
    client.get("/", *UPGRADE)
    assert b"101 Switching" in await client.read_until(b"\r\n\r\n")


async def test_plain_request_to_a_websocket_is_told_to_upgrade(start: Start, connect: Connect) -> None:
    client = await connect(await start(echo))
    client.get("/")
    answer = await client.answer()
    assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")


async def test_handler_may_answer_a_handshake_with_an_error(start: Start) -> None:
    async def handler(request: Request) -> Response:
        return Response(403)

    server = await start(handler)
    with pytest.raises(InvalidStatus, match="403"):
        await ws_connect(f"ws://127.0.0.1:{server.port}/")


async def test_frames_sent_along_with_the_handshake_are_not_lost(start: Start, connect: Connect) -> None:
    client = await connect(await start(echo))
    client.get("/", *UPGRADE)
    client.send(masked(Opcode.BINARY, b"early"))
    await client.read_until(b"\r\n\r\n")
    assert await client.read_until(b"early") == b"\x82\x05early"


async def test_fragments_are_joined_and_pings_between_them_answered(start: Start, connect: Connect) -> None:
    client = await connect(await start(echo))
    client.get("/", *UPGRADE)
    await client.read_until(b"\r\n\r\n")
    client.send(masked(Opcode.BINARY, b"one ", fin=False) + masked(Opcode.PING, b"?") + masked(Opcode.CONT, b"two"))
    assert await client.read_until(b"two") == b"\x8a\x01?\x82\x07one two"


async def test_goodbye_of_the_client_is_returned_and_ends_the_connection(start: Start, connect: Connect) -> None:
    client = await connect(await start(echo))
    client.get("/", *UPGRADE)
    await client.read_until(b"\r\n\r\n")
    client.send(masked(Opcode.CLOSE, b"\x03\xe8bye"))
    assert await client.ended() == b"\x88\x05\x03\xe8bye"


async def test_handler_that_returns_says_goodbye(start: Start) -> None:
    async def handler(request: Request) -> None:
        socket = await request.websocket()
        await socket.send(b"last")

    server = await start(handler)
    async with ws_connect(f"ws://127.0.0.1:{server.port}/") as client:
        assert await client.recv() == b"last"
        with pytest.raises(ConnectionClosed):
            await client.recv()
    assert client.close_code == 1000


async def test_close_carries_code_and_reason(start: Start) -> None:
    async def handler(request: Request) -> None:
        socket = await request.websocket()
        await socket.close(4001, "enough")
        await socket.close()
        with pytest.raises(Disconnected):
            await socket.send(b"x")

    server = await start(handler)
    async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{server.port}/") as client:
        message = await client.receive()
        assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 4001, "enough")


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (Frame(Opcode.BINARY, b"x").serialize(mask=False), 1002),
        (masked(Opcode.CONT, b"x"), 1002),
        (b"\xf2" + masked(Opcode.BINARY, b"x")[1:], 1002),
        (masked(Opcode.TEXT, b"\xff\xfe"), 1007),
        (b"\x82\xff\x00\x00\x00\xff\x00\x00\x00\x00" + b"mask", 1009),
    ],
    ids=["not masked", "nothing to continue", "reserved bits", "text that is no text", "too large"],
)
async def test_bad_frames_end_the_connection_with_the_code_for_it(start: Start, connect: Connect, frames: bytes, code: int) -> None:
    client = await connect(await start(echo))
    client.get("/", *UPGRADE)
    await client.read_until(b"\r\n\r\n")
    client.send(frames)
    assert (await client.ended())[2:4] == code.to_bytes(2, "big")


@pytest.mark.parametrize("how", ["half close", "reset"])
async def test_client_that_vanishes_ends_the_session(start: Start, connect: Connect, how: str) -> None:
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handler(request: Request) -> None:
        socket = await request.websocket()
        assert await socket.receive() is None
        ended.set_result(None)

    client = await connect(await start(handler))
    client.get("/", *UPGRADE)
    await client.read_until(b"\r\n\r\n")
    if how == "half close":
        client.half_close()
    else:
        client.writer.transport.abort()
    async with asyncio.timeout(5):
        await ended


async def test_handler_that_does_not_read_slows_its_client_down(start: Start) -> None:
    sockets: asyncio.Queue[WebSocket] = asyncio.Queue()
    release = asyncio.Event()
    received = 0

    async def handler(request: Request) -> None:
        nonlocal received
        socket = await request.websocket()
        sockets.put_nowait(socket)
        await release.wait()
        while (message := await socket.receive()) is not None:
            received += len(message)

    server = await start(handler)
    async with ws_connect(f"ws://127.0.0.1:{server.port}/") as client:
        sending = asyncio.ensure_future(_send_many(client, 300))
        await sockets.get()
        done, _ = await asyncio.wait([sending], timeout=0.3)
        assert not done, "30 MB were taken though nobody reads"
        release.set()
        async with asyncio.timeout(10):
            await sending
    assert received == 30_000_000


async def _send_many(client: object, count: int) -> None:
    for _ in range(count):
        await client.send(b"x" * 100_000)  # type: ignore[attr-defined]


async def test_raw_upgrade_hands_the_bytes_over(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> None:
        duplex = await request.upgrade("SPDY/3.1", [("x-stream-protocol-version", "v4.channel.k8s.io")])
        while (piece := await duplex.receive()) is not None:
            duplex.write(piece.upper())
            await duplex.drain()

    client = await connect(await start(handler))
    client.get("/", "Connection: Upgrade", "Upgrade: SPDY/3.1", "Content-Length: 0", method="POST")
    client.send(b"early")
    head = await client.read_until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"x-stream-protocol-version: v4.channel.k8s.io\r\n" in head
    assert await client.read_until(b"EARLY") == b"EARLY"
    client.send(b"late")
    assert await client.read_until(b"LATE") == b"LATE"
    client.half_close()
    assert await client.ended() == b""


async def test_raw_upgrade_that_was_not_asked_for_is_refused(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> None:
        await request.upgrade("SPDY/3.1")

    client = await connect(await start(handler))
    client.get("/")
    assert (await client.answer()).status == 400


async def test_a_client_that_is_still_sending_can_take_the_goodbye(start: Start) -> None:
    async def handler(request: Request) -> None:
        socket = await request.websocket()
        await socket.receive()
        await socket.send(b"enough")

    server = await start(handler)
    async with asyncio.timeout(10), ws_connect(f"ws://127.0.0.1:{server.port}/", max_size=None) as client:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(200):
                await client.send(b"x" * 100_000)
        assert await client.recv() == b"enough"


async def test_a_client_that_pings_and_takes_no_reply_is_cut_off(start: Start, connect: Connect) -> None:
    sockets: list[WebSocket] = []

    async def handler(request: Request) -> None:
        sockets.append(socket := await request.websocket())
        await socket.receive()

    client = await connect(await start(handler))
    client.get("/", *UPGRADE)
    await client.read_until(b"\r\n\r\n")
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # its own, so that the kernel's buffers fill
    pings = masked(Opcode.PING, b"x" * 125) * 2000
    most = 0
    async with asyncio.timeout(20):
        while sockets[0].is_open:
            client.send(pings)
            with contextlib.suppress(ConnectionError):
                await client.writer.drain()
            most = max(most, sockets[0].buffered)
    assert most < 2 * UNREAD_REPLIES_BYTES


async def test_a_client_that_takes_the_replies_may_ping_as_it_likes(start: Start) -> None:
    server = await start(echo)
    async with asyncio.timeout(20), ws_connect(f"ws://127.0.0.1:{server.port}/", max_size=None) as client:
        for _ in range(30):
            waiters = [await client.ping() for _ in range(1000)]
            await waiters[-1]
        await client.send(b"still here")
        assert await client.recv() == b"still here"
