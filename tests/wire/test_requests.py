"""What a handler is given, and in which order clients get their answers."""

import asyncio
import os

import h11
import pytest

from pilothouse.wire import Headers, Request, Response, heads, serve
from tests.wire.conftest import Connect, Start, echo


async def test_target_reaches_the_handler_as_it_was_sent(start: Start, connect: Connect) -> None:
    client = await connect(await start())
    client.get("/a%2Fb/%7Ec?x=%20&y")
    assert (await client.answer()).headers["x-facts"].split("|")[1] == "/a%2Fb/%7Ec?x=%20&y"


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("http://h:80/a?b", "/a?b"),
        ("HTTPS://h/", "/"),
        ("http://h", "/"),
        ("http://h?q", "/?q"),
        ("http://h/?u=http://x/", "/?u=http://x/"),
    ],
)
async def test_absolute_target_loses_scheme_and_authority(start: Start, connect: Connect, sent: str, seen: str) -> None:
    client = await connect(await start())
    client.get(sent)
    assert (await client.answer()).headers["x-facts"].split("|")[1] == seen


async def test_connection_is_kept_for_the_next_request(start: Start, connect: Connect) -> None:
    client = await connect(await start())
    for number in range(3):
        client.get(f"/{number}")
        assert f"/{number}" in (await client.answer()).headers["x-facts"]


async def test_pipelined_requests_are_answered_in_order_even_when_the_first_is_slow(start: Start, connect: Connect) -> None:
    release = asyncio.Event()

    async def handler(request: Request) -> Response:
        if request.path == "/0":
            await release.wait()
        else:
            assert release.is_set(), "a later request was handled before the first was answered"
        return Response(200, (), request.path.encode())

    client = await connect(await start(handler))
    for number in range(5):
        client.get(f"/{number}")
    await asyncio.sleep(0)
    release.set()
    assert [(await client.answer()).body for _ in range(5)] == [b"/0", b"/1", b"/2", b"/3", b"/4"]


async def test_many_pipelined_requests_pass_the_bound_of_the_queue(start: Start, connect: Connect) -> None:
    client = await connect(await start(pipelined=8))
    for _ in range(200):
        client.get("/x")
    for _ in range(200):
        assert (await client.answer()).status == 200


async def test_body_in_chunks_is_joined_and_its_trailers_are_no_headers(start: Start, connect: Connect) -> None:
    client = await connect(await start())
    client.send(b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: v\r\n\r\n")
    answer = await client.answer()
    assert answer.body == b"abcde"
    assert "x-trailer" not in answer.headers["x-facts"]


async def test_expecting_client_is_told_to_continue(start: Start, connect: Connect) -> None:
    client = await connect(await start())
    client.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"abc")
    assert (await client.answer()).body == b"abc"


async def test_expecting_client_behind_a_slow_request_is_told_when_its_turn_comes(start: Start, connect: Connect) -> None:
    release = asyncio.Event()

    async def handler(request: Request) -> Response:
        if request.method == "GET":
            await release.wait()
        return Response(200, (), request.body or b"first")

    client = await connect(await start(handler))
    client.get("/")
    client.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    await asyncio.sleep(0)
    release.set()
    assert (await client.answer()).body == b"first"
    client.send(b"abc")
    answer = await client.answer()
    assert (answer.interim, answer.body) == ([100], b"abc")


async def test_body_over_the_limit_reaches_the_handler_as_too_large_and_the_connection_ends(start: Start, connect: Connect) -> None:
    client = await connect(await start(body_bytes=10, linger_s=0.05))
    client.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 11\r\n\r\nabc")
    answer = await client.answer()
    assert (answer.status, answer.body, answer.headers["connection"]) == (413, b"", "close")
    assert await client.ended() == b""


async def test_client_that_expects_is_not_told_to_send_a_body_over_the_limit(start: Start, connect: Connect) -> None:
    client = await connect(await start(body_bytes=10, linger_s=0.05))
    client.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
    answer = await client.answer()
    assert (answer.status, answer.interim) == (413, [])


async def test_chunked_body_over_the_limit_is_refused_though_its_length_was_not_told(start: Start, connect: Connect) -> None:
    client = await connect(await start(body_bytes=10, linger_s=0.05))
    client.send(b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" + b"8\r\nabcdefgh\r\n" * 2)
    assert (await client.answer()).status == 413


async def test_client_still_sending_a_huge_body_gets_to_read_the_refusal(start: Start, connect: Connect) -> None:
    client = await connect(await start(body_bytes=1000))
    client.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 8000000\r\n\r\n" + b"x" * 8_000_000)
    assert (await client.answer()).status == 413


async def test_head_gets_the_length_without_the_body(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, (), b"abc")

    client = await connect(await start(handler))
    client.get("/", method="HEAD")
    client.get("/")
    answer = await client.answer("HEAD")
    assert (answer.headers["content-length"], answer.body) == ("3", b"")
    assert (await client.answer()).body == b"abc"


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body_have_no_length(start: Start, connect: Connect, status: int) -> None:
    async def handler(request: Request) -> Response:
        return Response(status, (), b"ignored")

    client = await connect(await start(handler))
    client.get("/")
    client.get("/")
    first = await client.answer()
    assert (first.status, first.body, "content-length" in first.headers) == (status, b"", False)
    assert (await client.answer()).status == status


async def test_client_that_asks_for_close_gets_it(start: Start, connect: Connect) -> None:
    client = await connect(await start())
    client.get("/", "Connection: close")
    assert (await client.answer()).headers["connection"] == "close"
    assert await client.ended() == b""


@pytest.mark.parametrize(("header", "kept"), [(b"", False), (b"Connection: keep-alive\r\n", True)])
async def test_old_client_keeps_its_connection_only_when_it_asks(start: Start, connect: Connect, header: bytes, kept: bool) -> None:
    client = await connect(await start())
    client.send(b"GET / HTTP/1.0\r\n" + header + b"\r\n")
    answer = await client.answer()
    assert answer.headers["connection"] == ("keep-alive" if kept else "close")


async def test_half_closed_client_is_answered_before_the_connection_ends(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> Response:
        await asyncio.sleep(0.01)
        return Response(200, (), b"late")

    client = await connect(await start(handler))
    client.get("/1")
    client.get("/2")
    client.half_close()
    assert [(await client.answer()).body, (await client.answer()).body] == [b"late", b"late"]
    assert await client.ended() == b""


async def test_failing_handler_answers_500_and_the_connection_goes_on(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> Response:
        if request.path == "/bad":
            raise ZeroDivisionError
        return Response(200)

    client = await connect(await start(handler))
    client.get("/bad")
    client.get("/good")
    assert [(await client.answer()).status, (await client.answer()).status] == [500, 200]


async def test_handler_cannot_smuggle_a_line_break_into_the_headers(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, [("x-name", "a\r\nset-cookie: b")])

    client = await connect(await start(handler))
    client.get("/")
    answer = await client.answer()
    assert (answer.status, "set-cookie" in answer.headers) == (500, False)


async def test_large_answer_arrives_whole(start: Start, connect: Connect) -> None:
    body = os.urandom(5_000_000)

    async def handler(request: Request) -> Response:
        return Response(200, (), body)

    client = await connect(await start(handler))
    client.get("/")
    assert (await client.answer()).body == body


async def test_request_to_upgrade_is_answered_plainly_when_the_handler_does_not_care(start: Start, connect: Connect) -> None:
    client = await connect(await start())
    client.get("/1", "Connection: Upgrade", "Upgrade: h2c")
    client.get("/2")
    assert "/1" in (await client.answer()).headers["x-facts"]
    assert "/2" in (await client.answer()).headers["x-facts"]


@pytest.mark.parametrize("framing", [b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"])
async def test_body_of_a_request_to_upgrade_is_not_taken_for_the_next_request(start: Start, connect: Connect, framing: bytes) -> None:
    client = await connect(await start())
    client.send(b"POST /1 HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" + framing)
    client.get("/2")
    first, second = await client.answer(), await client.answer()
    assert (first.body, "/1" in first.headers["x-facts"]) == (b"abc", True)
    assert "|/2|" in second.headers["x-facts"]


async def test_unix_socket_serves_and_is_removed_at_the_end(tmp_path: object) -> None:
    path = f"{tmp_path}/s.sock"
    server = await serve(echo, path=path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET /u HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
    assert b"200 OK" in await reader.read()
    writer.close()
    await writer.wait_closed()
    await server.close()
    assert not os.path.exists(path)


async def test_unix_socket_of_a_dead_process_is_replaced(tmp_path: object) -> None:
    path = f"{tmp_path}/s.sock"
    first = await serve(echo, path=path)
    second = await serve(echo, path=path)
    await first.close()
    assert os.path.exists(path), "the first server removed the second one's socket"
    await second.close()


async def test_taken_port_is_an_error(start: Start) -> None:
    server = await start()
    with pytest.raises(OSError, match="in use"):
        await serve(echo, port=server.port)


def test_headers_are_found_in_any_case_and_keep_their_order() -> None:
    headers = Headers.of([("Accept", "a"), ("X-Group", "1"), ("accept", "b, c")])
    assert headers["ACCEPT"] == "a"
    assert headers.get_all("Accept") == ["a", "b, c"]
    assert headers.tokens("accept") == ["a", "b", "c"]
    assert ("x-group" in headers, "x-user" in headers, headers.get("x-user", "-")) == (True, False, "-")
    assert list(headers) == [("accept", "a"), ("x-group", "1"), ("accept", "b, c")]


def test_request_can_be_made_without_a_connection() -> None:
    request = Request("GET", "/a?b=1", Headers.of([("Upgrade", "websocket")]))
    assert (request.path, request.query, request.upgrades_to("WebSocket")) == ("/a", "b=1", True)
    with pytest.raises(RuntimeError, match="no connection"):
        request.stream()


def test_headers_that_clients_have_made_long_or_many_are_not_kept() -> None:
    before = heads._kept_block.cache_info().currsize
    for headers in ((("warning", "x" * 1000),), tuple((f"warning-{number}", "x") for number in range(100))):
        assert heads.block(200, headers)
    assert heads._kept_block.cache_info().currsize == before


def test_answers_are_understood_by_h11_for_every_status() -> None:
    for status in (200, 201, 404, 410, 422, 429, 503, 599):
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method="GET", target="/", headers=[("Host", "t")]))
        client.receive_data(heads.block(status, (("x-a", "b"),)) + heads.date() + b"content-length: 0\r\n\r\n")
        response = client.next_event()
        assert isinstance(response, h11.Response)
        assert response.status_code == status


async def test_the_task_of_a_request_is_named_by_what_was_asked_for(start: Start, connect: Connect) -> None:
    async def handler(request: Request) -> Response:
        task = asyncio.current_task()
        assert task is not None
        return Response(200, (), task.get_name().encode())

    client = await connect(await start(handler))
    client.get("/api/v1/pods?limit=500")
    assert (await client.answer()).body == b"GET /api/v1/pods"
    client.get("/" + "a" * 5000)
    assert len((await client.answer()).body) < 200
