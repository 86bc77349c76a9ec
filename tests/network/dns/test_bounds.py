"""What a pod may do to the server of its node: names that lead across blocks, connections that nobody reads, questions without end."""

import asyncio
import socket
import struct
import time
from typing import Any

import pytest

from pilothouse.aio.places import Places
from pilothouse.aio.tasks import TaskSet
from pilothouse.model.kinds import PODS, SERVICES
from pilothouse.network.dns import codec, server
from pilothouse.network.dns.answers import MOST_NEWS, MOST_SHARES, AnswerCache
from tests.network.cluster import service
from tests.network.dns.served import ORIGIN, authority, served


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


async def test_an_alias_to_more_records_than_are_read_is_no_answer_and_the_name_itself_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MOST_RECORDS", 0)
    status = {"phase": "Running", "podIPs": [{"ip": "127.0.0.2"}]}
    pod = {"metadata": {"namespace": "default", "name": "p", "uid": "p"}, "spec": {}, "status": status}
    objects, there = (external("a", "many.example"), (PODS, pod)), {"many.example": "192.0.2.5"}
    async with authority(there) as (upstream, _), served(*objects, upstream=(upstream,)) as cluster:
        assert await cluster.ask(f"a.default.{ORIGIN}") == ["SERVFAIL"]
        assert await cluster.ask(f"many.example.default.{ORIGIN}", source="127.0.0.2") == ["NXDOMAIN"]
        assert await cluster.ask("many.example", source="127.0.0.2") == ["192.0.2.5"]


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

    answered = 0

    def quick(self, _message: bytes, _family: int, _asker: str) -> None:
        return None

    def answer(self, message: bytes, *, stream: bool, asker: str) -> bytes:
        time.sleep(0.005)
        self.answered += 1
        return message

    async def most_at_a_time(self, questions: int) -> int:
        """Of so many questions, how many are answered before somebody else in the event loop has a turn."""
        most = before = 0
        while self.answered < questions:
            await asyncio.sleep(0)
            most, before = max(most, self.answered - before), self.answered
        return most


async def test_questions_that_have_come_over_connections_let_others_go_first() -> None:
    resolver = Laborious()
    stream = server.StreamServer(resolver, Places(200, 20), Places(1000, 200))  # type: ignore[arg-type]
    async with await asyncio.start_server(stream.serve, "127.0.0.1", 0) as listening:
        clients = [await asyncio.open_connection(*listening.sockets[0].getsockname()) for _ in range(5)]
        for _, writer in clients:
            writer.write((struct.pack("!H", 20) + b"q" * 20) * 20)
        assert await resolver.most_at_a_time(100) == 1
        for reader, writer in clients:
            await reader.readexactly(20 * 22)
            writer.close()
            await writer.wait_closed()


async def test_datagrams_that_have_come_let_others_go_first() -> None:
    resolver, bound = Laborious(), server.datagram_socket("127.0.0.1", 0)
    datagrams = server.DatagramServer(resolver, TaskSet(), Places(1000, 200), bound)  # type: ignore[arg-type]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.connect(bound.getsockname())
        for _ in range(server.BATCH):
            asker.send(b"q" * 20)
        assert await resolver.most_at_a_time(server.BATCH) == 1
    datagrams.close()


def test_an_answer_that_hangs_on_two_objects_is_forgotten_whole() -> None:
    answers = AnswerCache()
    for number in range(100):
        answers.put(b"key%d" % number, b"answer", ("a", "b"), records=1, type=1, code=0)
        answers.forget("a")
    assert (len(answers), answers._size_bytes, answers._of) == (0, 0, {})


def told(answers: AnswerCache) -> dict[bytes, bytes | None]:
    """What somebody knows who takes all the news."""
    known: dict[bytes, bytes | None] = {}
    while answers.has_news.is_set():
        news = answers.news()
        if news.is_all_forgotten:
            known = {}
        known |= news.answers
    return known


def test_news_that_nobody_asks_for_are_bounded_and_complete_all_the_same() -> None:
    answers = AnswerCache()
    for number in range(MOST_NEWS + 10):
        answers.put(b"key%d" % number, b"answer", ("a",), records=1, type=1, code=0)
        assert len(answers._news) <= MOST_NEWS
    kept = set(answers._entries)
    assert {key for key, answer in told(answers).items() if answer is not None} == kept


def test_who_begins_to_listen_is_told_everything_in_parts() -> None:
    answers = AnswerCache()
    for number in range(1000):
        answers.put(b"key%d" % number, bytes(1000), ("a",), records=1, type=1, code=0)
    assert len(told(answers)) == 1000
    answers.forget("b")
    assert not answers.has_news.is_set()
    answers.tell_all()
    assert len(answers.news().answers) < 100
    answers.forget("a")
    assert set(told(answers).values()) == {None}


def test_many_questions_of_one_push_out_the_oldest_and_not_all() -> None:
    answers = AnswerCache(100_000)
    for number in range(1000):
        answers.put(b"key%d" % number, bytes(100), (f"service{number}",), records=1, type=1, code=0)
    assert answers.get(b"key999") is not None
    assert answers.get(b"key950") is not None
    assert answers.get(b"key0") is None
    assert answers._size_bytes <= 100_000
    assert len(answers._of) == len(answers)


def test_an_asker_of_many_questions_pushes_out_its_own_answers_first() -> None:
    answers, others = AnswerCache(100_000), [f"10.244.1.{number}" for number in range(20)]
    for other in others:
        answers.put(other.encode(), bytes(100), ("a",), records=1, type=1, code=0, asker=other)
    for number in range(1000):
        answers.put(b"key%d" % number, bytes(100), ("a",), records=1, type=1, code=0, asker="10.244.0.5")
    assert all(answers.get(other.encode()) for other in others)
    assert answers.get(b"key999") is not None
    assert answers.get(b"key0") is None
    assert answers._size_bytes == sum(share.size_bytes for share in answers._shares.values()) <= 100_000


def test_askers_without_end_have_one_share_together() -> None:
    answers = AnswerCache()
    for number in range(5000):
        answers.put(b"key%d" % number, b"answer", ("a",), records=1, type=1, code=0, asker=f"asker{number}")
    assert len(answers._shares) == MOST_SHARES + 1
    answers.forget("a")
    assert (answers._shares, answers._size_bytes) == ({}, 0)


async def test_names_without_end_that_one_pod_asks_for_leave_what_another_one_has_asked_for() -> None:
    async with served((SERVICES, service("web", clusterIP="10.96.0.20"))) as cluster:
        resolver, question = cluster.resolver, codec.query(codec.name_of(f"web.default.{ORIGIN}"), codec.A, 1)
        resolver.answers._most_bytes = 20_000
        resolver.answer(question, stream=False, asker="10.244.0.6")
        for number in range(100):
            missing = codec.query(codec.name_of(f"missing{number}.default.{ORIGIN}"), codec.A, 1)
            resolver.answer(missing, stream=False, asker="10.244.0.5")
        assert len(resolver.answers) < 50
        assert resolver.quick(question, 1, "10.244.0.6") is not None


def test_what_a_question_carries_beyond_the_question_is_not_kept() -> None:
    answers = AnswerCache()
    answers.put(bytes(2000), b"answer", ("a",), records=1, type=1, code=0)
    assert len(answers) == 0
