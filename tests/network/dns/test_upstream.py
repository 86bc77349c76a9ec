"""Other name servers: which one is asked, for how long, and what is made of their silence."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import dns.flags
import dns.message
import dns.rrset
import pytest

from pilothouse.network.dns import upstream as upstreams
from pilothouse.network.dns.upstream import HEDGE_S, NoAnswer, Sockets, Upstream
from tests.network.dns.served import authority, served

QUESTION = dns.message.make_query("example.org", "A").to_wire()


def of(*servers: str, most: int = 1000) -> Upstream:
    return Upstream(servers, Path("/"), (), most=most)


async def took_s(upstream: Upstream) -> float:
    began = time.perf_counter()
    await upstream.ask(QUESTION, stream=False)
    return time.perf_counter() - began


async def test_a_dead_server_costs_one_question_a_moment_and_the_next_ones_nothing() -> None:
    async with authority(silent=True) as (dead, _), authority() as (alive, _):
        upstream = of(dead, alive)
        assert HEDGE_S <= await took_s(upstream) < 3 * HEDGE_S
        assert max([await took_s(upstream) for _ in range(5)]) < HEDGE_S / 2


async def test_servers_that_were_silent_are_asked_again_when_the_others_are_silent_too() -> None:
    async with authority(silent=True) as (one, first), authority() as (two, second):
        upstream = of(one, two)
        await upstream.ask(QUESTION, stream=False)
        first.silent, second.silent = False, True
        await upstream.ask(QUESTION, stream=False)


async def test_a_server_that_may_not_answer_is_passed_over_and_believed_when_nobody_knows_better() -> None:
    async with authority({}, code="REFUSED") as (unwilling, _), authority() as (willing, _):
        answer = dns.message.from_wire(await of(unwilling, willing).ask(QUESTION, stream=False))
        assert str(answer.answer[0][0]) == "192.0.2.77"
        assert (await of(unwilling).ask(QUESTION, stream=False))[3] & 0xF == 5


async def test_a_name_that_does_not_exist_is_an_answer() -> None:
    async with authority({}) as (one, _), authority() as (two, other):
        assert (await of(one, two).ask(QUESTION, stream=False))[3] & 0xF == 3
        assert other.asked == []


async def test_the_quickest_server_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = of("192.0.2.1", "192.0.2.2")
    slow, quick = (upstream._health.setdefault(server, upstreams._Health()) for server in upstream.known())
    slow.answered(0.2)
    quick.answered(0.01)
    assert upstream.servers() == [("192.0.2.2", 53), ("192.0.2.1", 53)]


def test_a_server_is_left_alone_for_longer_each_time_up_to_a_bound() -> None:
    health, now, silences = upstreams._Health(), 1000.0, []
    for _ in range(8):
        health.failed(now)
        silences.append(health.silent_until - now)
        now = health.silent_until
    assert silences == [30, 60, 120, 240, 300, 300, 300, 300]
    health.answered(0.01)
    assert health.silent_until == 0


async def test_silence_of_all_servers_is_said_within_the_time_that_resolvers_wait() -> None:
    async with authority(silent=True) as (one, asked), authority(silent=True) as (two, _):
        upstream, began = of(one, two), time.perf_counter()
        with pytest.raises(NoAnswer, match="none of 2 name servers answers"):
            await upstream.ask(QUESTION, stream=False)
        assert time.perf_counter() - began < 5
        assert len(asked.asked) == 2, "twice, and no more"
        began = time.perf_counter()
        with pytest.raises(NoAnswer):
            await upstream.ask(QUESTION, stream=False)
        assert time.perf_counter() - began < 2, "sooner, once that is known"


async def test_questions_under_way_are_bounded() -> None:
    async with authority(silent=True) as (silent, _):
        upstream = of(silent, most=2)
        asking = [asyncio.ensure_future(upstream.ask(QUESTION, stream=False)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(NoAnswer, match="2 questions are under way"):
            await upstream.ask(QUESTION, stream=False)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_questions_on_one_connection_do_not_wait_for_each_other() -> None:
    """A slow name outside, and behind it one of the cluster's."""
    async with authority(silent=True) as (silent, _), served(upstream=(silent,)) as asked:
        reader, writer = await asyncio.open_connection("127.0.0.1", asked.port)
        for name, identifier in (("example.org", 1), ("cluster.local", 2)):
            query = dns.message.make_query(name, "A", id=identifier).to_wire()
            writer.write(len(query).to_bytes(2, "big") + query)
        async with asyncio.timeout(1):
            answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        assert int.from_bytes(answer[:2], "big") == 2
        writer.close()
        await writer.wait_closed()


async def test_who_closes_one_direction_gets_what_is_under_way() -> None:
    async with authority() as (upstream, _), served(upstream=(upstream,)) as asked:
        reader, writer = await asyncio.open_connection("127.0.0.1", asked.port)
        query = dns.message.make_query("example.org", "A", id=7)
        # Over TCP the upstream server is asked over TCP, where nobody listens: the answer is that there is none.
        writer.write(len(query.to_wire()).to_bytes(2, "big") + query.to_wire())
        writer.write_eof()
        async with asyncio.timeout(8):
            answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        assert dns.message.from_wire(answer).id == 7
        writer.close()


class Replies(asyncio.DatagramProtocol):
    """reply: of the question's bytes, the datagrams that are sent back."""

    def __init__(self, reply: Callable[[bytes], list[bytes]]) -> None:
        self._reply = reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for each in self._reply(data):
            self._transport.sendto(each, addr)


@contextlib.asynccontextmanager
async def replying(reply: Callable[[bytes], list[bytes]]) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Replies(reply), local_addr=("127.0.0.1", 0))
    try:
        yield "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()


def response(question: bytes, addresses: int = 1) -> bytes:
    answer = dns.message.make_response(dns.message.from_wire(question))
    texts = [f"192.0.2.{1 + number % 250}" for number in range(addresses)]
    answer.answer.append(dns.rrset.from_text_list("example.org.", 60, "IN", "A", texts))
    return answer.to_wire(max_size=65535)


def spoilt(question: bytes) -> dict[str, bytes]:
    good = response(question)
    return {
        "the question itself": question,
        "another identifier": bytes((good[0] ^ 1, *good[1:])),
        "another name": good.replace(b"\x07example", b"\x07examplf"),
        "another type": good[:27] + bytes((0, 33)) + good[29:],
        "another operation": good[:2] + bytes((good[2] | 0x20,)) + good[3:],
        "records that end too early": good[:-2],
        "a name that points to itself": good[:12] + b"\xc0\x0c" + good[14:],
        "nothing": b"",
    }


@pytest.mark.parametrize("what", list(spoilt(QUESTION)))
async def test_what_is_no_answer_to_the_question_is_not_taken_for_one(what: str) -> None:
    async with replying(lambda question: [spoilt(question)[what], response(question)]) as server:
        assert await of(server).ask(QUESTION, stream=False) == response(QUESTION)


async def test_an_answer_longer_than_the_asker_takes_is_cut_off() -> None:
    async with replying(lambda question: [response(question, 100)]) as upstream, served(upstream=(upstream,)) as cluster:
        for more in ({}, {"use_edns": 0, "payload": 1232}):
            message = await cluster.message("example.org", **more)
            assert message.flags & dns.flags.TC
            assert len(message.to_wire()) < 512


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_questions_to_servers_that_are_silent_leave_files_to_others() -> None:
    """And servers of another forward, which do answer, are asked."""
    async with authority(silent=True) as (silent, _), authority() as (alive, _):
        sockets, before = Sockets(20), open_files()
        stuck = Upstream([silent], Path("/"), (), sockets=sockets)
        other = Upstream([alive], Path("/"), (), sockets=sockets)
        asking = [asyncio.ensure_future(stuck.ask(QUESTION, stream=False)) for _ in range(200)]
        await asyncio.sleep(1)
        assert 0 < open_files() - before <= 13
        assert await took_s(other) < HEDGE_S
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_a_question_that_found_no_socket_says_nothing_about_a_server() -> None:
    async with authority() as (alive, _):
        sockets = Sockets(1)
        upstream = Upstream([alive], Path("/"), (), sockets=sockets)
        async with upstream._own_sockets:
            assert await upstream._try(upstream.known()[0], QUESTION, False, 0.05) is None
        assert upstream._health[upstream.known()[0]].failures == 0


async def test_servers_that_are_to_be_asked_over_tcp_are() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        writer.write(len(response(question)).to_bytes(2, "big") + response(question))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as upstream:
        port = upstream.sockets[0].getsockname()[1]
        async with served(corefile=f"org {{\n forward . 127.0.0.1:{port} {{\n force_tcp\n }}\n}}") as cluster:
            assert await cluster.ask("example.org") == ["192.0.2.1"]
