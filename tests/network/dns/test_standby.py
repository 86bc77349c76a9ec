"""A server that ends without a word, and the next one: no question is refused, none is lost, and what is known is answered meanwhile."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGKILL, SIGSTOP, Signals

import pytest

from pilothouse.aio.identity import Identity, wait_gone
from pilothouse.aio.tasks import running
from pilothouse.model.json import Object
from pilothouse.model.kinds import NAMESPACES, NODES, PODS, SERVICES
from pilothouse.network.dns import ClusterDNS, ClusterDNSConfig, codec
from pilothouse.network.dns.answers import AnswerCache, key_of
from pilothouse.network.dns.resolver import Resolver
from pilothouse.network.dns.standby import handover, program
from pilothouse.network.dns.standby.handover import end, take_over
from pilothouse.network.dns.standby.program import Standby
from tests.network.cluster import FakeCluster, service

KNOWN, UNKNOWN = "web.default.svc.cluster.local", "new.default.svc.cluster.local"
COMPLETED = "web.default.default.svc.cluster.local"
"""As a resolver in POD asks at first for web.default."""
POD: Object = {
    "metadata": {"name": "p", "namespace": "default", "uid": "p"},
    "spec": {"nodeName": "n"},
    "status": {"phase": "Running", "podIPs": [{"ip": "127.0.0.1"}]},
}


def ask(name: str, port: int, wait_s: float = 3, source: str = "127.0.0.1") -> list[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.bind((source, 0))
        asker.settimeout(wait_s)
        asker.connect(("127.0.0.1", port))
        asker.send(codec.query(codec.name_of(name), codec.A, 7))
        return [str(record.value) for record in codec.parse_reply(asker.recv(512)).answers]


def send_forged(name: str, port: int, asker: str, source: str) -> bytes | None:
    """What comes for a datagram whose bytes behind its identifier are another asker's address and question."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        sender.settimeout(0.3)
        sender.connect(("127.0.0.1", port))
        sender.send(b"\0\7" + asker.encode() + b"\0" + codec.query(codec.name_of(name), codec.A, 7)[2:])
        with contextlib.suppress(TimeoutError):
            return sender.recv(512)
        return None


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def config(tmp_path: Path) -> ClusterDNSConfig:
    path = Path("/tmp") / f"pht-{tmp_path.name[-20:]}-{id(tmp_path)}.sock"
    return ClusterDNSConfig(node="n", addresses=("127.0.0.1",), cluster_ips=("10.96.0.10",), port=free_port(), upstream=(), standby=path)


@pytest.fixture
async def cluster() -> FakeCluster:
    cluster = FakeCluster()
    await cluster.put(NODES, {"metadata": {"name": "n", "uid": "n"}})
    await cluster.put(NAMESPACES, {"metadata": {"name": "default", "uid": "default"}})
    await cluster.put(SERVICES, service("web", clusterIP="10.96.0.20"))
    return cluster


@contextlib.asynccontextmanager
async def serving(cluster: FakeCluster, config: ClusterDNSConfig) -> AsyncIterator[Resolver]:
    informers = cluster.informers()
    dns = ClusterDNS(informers.client, informers, config)
    async with running(informers.run), running(dns.run):
        yield dns._resolver


@pytest.fixture
def standby(config: ClusterDNSConfig) -> Path:
    assert config.standby is not None
    return config.standby


async def until_told(standby: Path) -> None:
    async with asyncio.timeout(5):
        while not standby.exists():
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)


async def test_known_names_are_answered_without_a_server_and_others_by_the_next_one(
    cluster: FakeCluster, config: ClusterDNSConfig, standby: Path
) -> None:
    try:
        async with serving(cluster, config):
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
            await until_told(standby)
        began = time.perf_counter()
        assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
        assert time.perf_counter() - began < 0.1
        waiting = asyncio.ensure_future(asyncio.to_thread(ask, UNKNOWN, config.port))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await cluster.put(SERVICES, service("new", clusterIP="10.96.0.21"))
        async with serving(cluster, config):
            assert await waiting == ["10.96.0.21"]
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
    finally:
        end(standby)


async def test_completed_names_are_answered_without_a_server_to_the_pod_that_asked_for_them(
    cluster: FakeCluster, config: ClusterDNSConfig, standby: Path
) -> None:
    try:
        await cluster.put(PODS, POD)
        async with serving(cluster, config):
            first = await asyncio.to_thread(ask, COMPLETED, config.port)
            assert first[-1] == "10.96.0.20"
            await until_told(standby)
        assert await asyncio.to_thread(ask, COMPLETED, config.port) == first
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(ask, COMPLETED, config.port, 0.3, "127.0.0.2")
        async with serving(cluster, config):
            assert await asyncio.to_thread(ask, COMPLETED, config.port) == first
            await until_told(standby)
            await cluster.put(PODS, POD | {"status": POD["status"] | {"phase": "Succeeded"}})
            await asyncio.sleep(0.1)
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(ask, COMPLETED, config.port, 0.3)
    finally:
        end(standby)


async def test_no_datagram_gets_the_answer_that_is_kept_for_another_pod(
    cluster: FakeCluster, config: ClusterDNSConfig, standby: Path
) -> None:
    address = socket.inet_aton("10.96.0.20")
    try:
        await cluster.put(PODS, POD)
        async with serving(cluster, config):
            # In each order of its records, so that it is given without a look at the question.
            for _ in range(2):
                assert (await asyncio.to_thread(ask, COMPLETED, config.port))[-1] == "10.96.0.20"
            found = await asyncio.to_thread(send_forged, COMPLETED, config.port, "127.0.0.1", "127.0.0.2")
            assert address not in (found or b"")
            await until_told(standby)
        assert await asyncio.to_thread(ask, COMPLETED, config.port)
        assert await asyncio.to_thread(send_forged, COMPLETED, config.port, "127.0.0.1", "127.0.0.2") is None
    finally:
        end(standby)


async def test_what_has_changed_is_not_answered_as_it_was(cluster: FakeCluster, config: ClusterDNSConfig, standby: Path) -> None:
    try:
        async with serving(cluster, config):
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
            await until_told(standby)
            await cluster.put(SERVICES, service("web", clusterIP="10.96.0.22"))
            await asyncio.sleep(0.1)
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(ask, KNOWN, config.port, 0.3)
    finally:
        end(standby)


async def test_what_was_asked_of_earlier_servers_is_known_when_the_next_one_ends_at_once(
    cluster: FakeCluster, config: ClusterDNSConfig, standby: Path
) -> None:
    try:
        async with serving(cluster, config):
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
            await until_told(standby)
        await cluster.put(SERVICES, service("web", clusterIP="10.96.0.22"))
        for _ in range(2):
            async with serving(cluster, config):
                await until_told(standby)
        assert await asyncio.to_thread(ask, KNOWN, config.port, 0.5) == ["10.96.0.22"]
    finally:
        end(standby)


async def test_completed_names_that_were_asked_of_earlier_servers_are_known_when_the_next_one_ends_at_once(
    cluster: FakeCluster, config: ClusterDNSConfig, standby: Path
) -> None:
    try:
        await cluster.put(PODS, POD)
        async with serving(cluster, config):
            assert (await asyncio.to_thread(ask, COMPLETED, config.port))[-1] == "10.96.0.20"
            await until_told(standby)
        await cluster.put(SERVICES, service("web", clusterIP="10.96.0.22"))
        for _ in range(2):
            async with serving(cluster, config):
                await until_told(standby)
        assert (await asyncio.to_thread(ask, COMPLETED, config.port, 0.5))[-1] == "10.96.0.22"
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(ask, COMPLETED, config.port, 0.3, "127.0.0.2")
    finally:
        end(standby)


async def test_the_earlier_standby_answers_when_a_server_ends_before_its_own_one_is_there(
    cluster: FakeCluster, config: ClusterDNSConfig, standby: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text("import time; time.sleep(60)")
    try:
        async with serving(cluster, config):
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
            await until_told(standby)
            first = Identity.load(standby.with_suffix(".pid"))
            assert first is not None
        with monkeypatch.context() as patched:
            patched.setattr(program, "__file__", str(slow))
            async with serving(cluster, config):
                second = await another(first, standby)
        assert await asyncio.to_thread(ask, KNOWN, config.port, 0.5) == ["10.96.0.20"]
        second.signal(SIGKILL)
        async with serving(cluster, config):
            await another(second, standby)
            assert await wait_gone(first, 10), "another one is there"
    finally:
        end(standby)


async def another(than: Identity, standby: Path) -> Identity:
    """The standby that has come in another one's place."""
    async with asyncio.timeout(10):
        while (known := Identity.load(standby.with_suffix(".pid"))) is None or known == than:
            await asyncio.sleep(0.02)
    return known


@pytest.mark.parametrize("how", [SIGKILL, SIGSTOP])
async def test_a_standby_that_ends_or_hangs_is_replaced_by_one_that_knows_as_much(
    cluster: FakeCluster, config: ClusterDNSConfig, standby: Path, how: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "PATIENCE_S", 1.0)
    monkeypatch.setattr(handover, "LOOK_S", 0.2)
    try:
        async with serving(cluster, config):
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
            await until_told(standby)
            first = Identity.load(standby.with_suffix(".pid"))
            assert first is not None
            first.signal(how)
            second = await another(first, standby)
            assert not first.alive()
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
            await until_told(standby)
        assert second.alive()
        assert await asyncio.to_thread(ask, KNOWN, config.port, 0.5) == ["10.96.0.20"]
    finally:
        end(standby)


async def test_a_process_that_is_slow_to_begin_keeps_nobody_waiting(
    cluster: FakeCluster, config: ClusterDNSConfig, standby: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def slow(*_: object) -> socket.socket:
        begun.set()
        time.sleep(2)
        raise OSError("no process")

    def asked_meanwhile() -> float:
        assert begun.wait(10)
        began = time.perf_counter()
        assert ask(KNOWN, config.port) == ["10.96.0.20"]
        return time.perf_counter() - began

    monkeypatch.setattr(handover.Keeper, "_spawn", slow)
    asking = asyncio.ensure_future(asyncio.to_thread(asked_meanwhile))
    try:
        async with serving(cluster, config):
            assert await asking < 1
    finally:
        end(standby)


async def test_a_standby_that_takes_nothing_keeps_nobody_waiting(cluster: FakeCluster, config: ClusterDNSConfig, standby: Path) -> None:
    """However much there is to tell, and also not who ends the server meanwhile."""
    try:
        async with serving(cluster, config) as dns:
            await until_told(standby)
            first = Identity.load(standby.with_suffix(".pid"))
            assert first is not None
            first.signal(SIGSTOP)
            for number in range(5000):
                dns.answers.put(b"%0200d" % number, bytes(1000), ("default/web",), records=1, type=1, code=0)
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
            await asyncio.sleep(0.5)
            began = time.perf_counter()
        assert time.perf_counter() - began < 1
    finally:
        end(standby)


def test_one_asker_does_not_take_all_the_room_for_questions_that_wait(tmp_path: Path) -> None:
    standby, now = Standby(str(tmp_path / "door"), [], 60), 100.0
    with standby.door:
        for number in range(500):
            standby._keep((now, 0, b"%d" % number, ("10.244.0.5", 1000 + number)))
        assert len(standby.waiting) == program.MOST_WAITING_OF_ONE
        for number in range(2000):
            standby._keep((now, 0, b"question", (f"10.244.{number // 100}.{number % 100}", 53)))
        assert len(standby.waiting) == program.MOST_WAITING
        standby._keep((now + program.WAITING_S + 1, 0, b"later", ("10.244.0.5", 7)))
        assert [question for _, _, question, _ in standby.waiting] == [b"later"]


async def test_names_without_end_that_one_asker_asked_for_leave_those_of_others_for_the_next_server(standby: Path) -> None:
    held = Standby(str(standby), [], 60)
    answers = AnswerCache()
    answers.put(key_of("10.244.0.6", b"web"), b"answer", ("a",), records=1, type=1, code=0, asker="10.244.0.6")
    for number in range(30_000):
        question = codec.query((f"{number}", "cluster", "local"), codec.A, 7)[2:]
        answers.put(key_of("10.244.0.5", question), b"", ("a",), records=1, type=1, code=3, asker="10.244.0.5")
    held.answers = dict.fromkeys(answers._entries, b"answer")
    try:
        held._take_place()
        taking = asyncio.ensure_future(asyncio.to_thread(take_over, standby))
        await asyncio.to_thread(held._hand_over)
        taken = await taking
        taken.close()
        assert key_of("10.244.0.6", b"web") in taken.known
    finally:
        held._forget_caller()
        held.door.close()
        end(standby)


async def test_a_standby_that_is_gone_or_says_nonsense_hinders_no_server(
    cluster: FakeCluster, config: ClusterDNSConfig, standby: Path
) -> None:
    try:
        async with serving(cluster, config):
            await until_told(standby)
            known = Identity.load(standby.with_suffix(".pid"))
            assert known is not None
            end(standby)
            await asyncio.sleep(0.3)
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
            assert not known.alive()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.bind(str(standby))
            door.listen(1)
            taken = await asyncio.to_thread(take_over, standby)
            assert (taken.sockets, taken.waiting, standby.exists()) == ({}, [], False)
        async with serving(cluster, config):
            assert await asyncio.to_thread(ask, KNOWN, config.port) == ["10.96.0.20"]
    finally:
        end(standby)


@pytest.mark.parametrize(
    ("said", "waiting"),
    [(b'{"sockets": [["udp", "127.0.0.1"]], "waiting": 28}\n[[0, "q", ["127.0.0.1", 7]]]', 1), (b'{"sockets": []}\n', 0), (b"[]\n", 0)],
)
async def test_the_standby_of_an_earlier_version_or_one_that_lacks_a_word_stops_no_server(standby: Path, said: bytes, waiting: int) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        door.bind(str(standby))
        door.listen(1)
        taking = asyncio.ensure_future(asyncio.to_thread(take_over, standby))
        caller, _ = await asyncio.to_thread(door.accept)
        with caller:
            socket.send_fds(caller, [said], [held.fileno()])
            taken = await taking
            assert len(taken.waiting) == waiting
            taken.close()
    end(standby)


async def test_nothing_is_left_when_it_is_ended(cluster: FakeCluster, config: ClusterDNSConfig, standby: Path) -> None:
    async with serving(cluster, config):
        await until_told(standby)
        known = Identity.load(standby.with_suffix(".pid"))
    end(standby)
    await asyncio.sleep(0.1)
    assert known is not None
    assert not known.alive()
    assert not standby.exists()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", config.port))
