"""What a pod may do to the server of its node: names that lead across blocks, connections that nobody reads, questions without end."""

import asyncio
import socket
import struct
import time
from typing import Any

import pytest

from pilothouse.aio.places import Places
from pilothouse.aio.tasks import TaskSet
from pilothouse.model.kinds import SERVICES
from pilothouse.network.dns import server
from pilothouse.network.dns.answers import MOST_NEWS, AnswerCache
from tests.network.dns.served import authority, served


def external(name: str, target: str) -> Any:
    metadata = {"namespace": "default", "name": name, "uid": name}
    return SERVICES, {"metadata": metadata, "spec": {"type": "ExternalName", "externalName": target}}


async def test_an_alias_into_a_stub_domain_is_asked_of_its_server_and_takes_nothing_from_others() -> None:
    async with authority({"db.corp": "192.0.2.5"}) as (stub, of_stub), authority({}) as (upstream, of_upstream):
        corefile = f"corp {{\n forward . {stub}\n cache\n}}"
        async with served(external("a", "db.corp"), corefile=corefile, upstream=(upstream,)) as cluster:
            assert "db.corp. 192.0.2.5" in await cluster.ask("a.default.svc.cluster.local")
            assert of_upstream.asked == []
            assert await cluster.ask("db.corp") == ["192.0.2.5"]
            assert of_stub.asked == ["db.corp A"]


async def test_an_alias_into_a_block_of_hosts_is_found_there() -> None:
    async with authority({}) as (upstream, _):
        corefile = "corp {\n hosts {\n 192.0.2.60 web.corp\n }\n}"
        async with served(external("h", "web.corp"), corefile=corefile, upstream=(upstream,)) as cluster:
            assert "web.corp. 192.0.2.60" in await cluster.ask("h.default.svc.cluster.local")


class Talkative:
    def answer(self, _message: bytes, *, stream: bool, asker: str) -> bytes:
        return b"x" * 65_000


async def test_a_client_that_reads_nothing_keeps_no_socket_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_S", 0.1)
    open_now: set[asyncio.StreamWriter] = set()
    places = Places(200, 20)
    stream = server.StreamServer(Talkative(), places, Places(1000, 200))  # type: ignore[arg-type]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(writer)
        await stream.serve(reader, writer)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        clients = []
        for _ in range(5):
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname(), limit=1)
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write((struct.pack("!H", 20) + b"q" * 20) * 200)
            clients.append(writer)
        async with asyncio.timeout(5):
            while len(open_now) < 5 or not all(each.get_extra_info("socket").fileno() < 0 for each in open_now):
                await asyncio.sleep(0.05)
        assert places.take("127.0.0.1")
        for writer in clients:
            writer.transport.abort()


class Laborious:
    """Takes 5 ms for each question, as one for a Service of thousands of endpoints may."""

    def quick(self, _message: bytes, _family: int) -> None:
        return None

    def answer(self, message: bytes, *, stream: bool, asker: str) -> bytes:
        time.sleep(0.005)
        return message


async def longest_wait_s(until: asyncio.Event) -> float:
    """Of somebody else's callback in the event loop."""
    loop, longest = asyncio.get_running_loop(), 0.0
    while not until.is_set():
        began = loop.time()
        await asyncio.sleep(0)
        longest = max(longest, loop.time() - began)
    return longest


async def test_questions_that_have_come_over_connections_let_others_go_first() -> None:
    over = asyncio.Event()
    waiting = asyncio.ensure_future(longest_wait_s(over))
    stream = server.StreamServer(Laborious(), Places(200, 20), Places(1000, 200))  # type: ignore[arg-type]
    async with await asyncio.start_server(stream.serve, "127.0.0.1", 0) as listening:
        clients = [await asyncio.open_connection(*listening.sockets[0].getsockname()) for _ in range(5)]
        for _, writer in clients:
            writer.write((struct.pack("!H", 20) + b"q" * 20) * 20)
        for reader, writer in clients:
            await reader.readexactly(20 * 22)
            writer.close()
    over.set()
    assert await waiting < 0.1, "100 questions take half a second"


async def test_datagrams_that_have_come_let_others_go_first() -> None:
    over, tasks = asyncio.Event(), TaskSet()
    bound = server.datagram_socket("127.0.0.1", 0)
    datagrams = server.DatagramServer(Laborious(), tasks, Places(1000, 200), bound)  # type: ignore[arg-type]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.connect(bound.getsockname())
        for _ in range(server.BATCH):
            asker.send(b"q" * 20)
        waiting = asyncio.ensure_future(longest_wait_s(over))
        await asyncio.sleep(0.5)
        over.set()
        assert await waiting < 0.1, "64 questions take a third of a second"
    datagrams.close()


def test_an_answer_that_hangs_on_two_objects_is_forgotten_whole() -> None:
    answers = AnswerCache()
    for number in range(100):
        answers.put(b"key%d" % number, b"answer", ("a", "b"), records=1, type=1, code=0)
        answers.forget("a")
    assert (len(answers), answers._size_bytes, answers._of) == (0, 0, {})


def test_news_that_nobody_asks_for_end_in_one_word() -> None:
    answers = AnswerCache()
    for number in range(MOST_NEWS + 10):
        answers.put(b"key%d" % number, b"answer", ("a",), records=1, type=1, code=0)
    found = answers.news()
    assert found is not None
    assert found[0]
    assert len(found[1]) <= 10
