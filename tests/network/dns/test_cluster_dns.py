"""The DNS server over real sockets on loopback, asked by dnspython."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.reversename
import dns.rrset
import pytest

from pilothouse.aio.places import Places
from pilothouse.aio.tasks import TaskSet, running
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, NAMESPACES, SERVICES
from pilothouse.network.dns import ClusterDNSConfig, server
from pilothouse.network.dns.resolver import Resolver
from pilothouse.network.dns.upstream import Upstream, parse_resolv_conf, parse_server
from pilothouse.network.dns.zone import Zone
from tests.network.cluster import FakeCluster, endpoint, endpoint_slice, service

HTTP: Object = {"name": "http", "protocol": "TCP", "port": 80}
ORIGIN = "svc.cluster.local"


class Dns:
    def __init__(self, port: int) -> None:
        self.port = port

    async def message(self, name: str, type_: str = "A", *, tcp: bool = False, **more: Any) -> dns.message.Message:
        query = dns.message.make_query(name, type_, **more)
        ask = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await ask(query, "127.0.0.1", port=self.port, timeout=8)

    async def ask(self, name: str, type_: str = "A", **more: Any) -> list[str]:
        """Answers as text, sorted; the code's name instead when it is not NOERROR."""
        message = await self.message(name, type_, **more)
        if message.rcode() != dns.rcode.NOERROR:
            return [dns.rcode.to_text(message.rcode())]
        return sorted(f"{rrset.name} {rdata}" if len(message.answer) > 1 else str(rdata) for rrset in message.answer for rdata in rrset)


@contextlib.asynccontextmanager
async def serving(resolver: Resolver) -> AsyncIterator[Dns]:
    tasks = TaskSet()
    listening = await server.listen(resolver, tasks, ("127.0.0.1",), 0)
    try:
        yield Dns(listening.port)
    finally:
        listening.close()
        await tasks.close()
        await asyncio.sleep(0)


async def fill(cluster: FakeCluster) -> None:
    for namespace in ("default", "kube-system"):
        await cluster.put(NAMESPACES, {"metadata": {"name": namespace, "uid": namespace}})
    await cluster.put(SERVICES, service("web", HTTP))
    await cluster.put(SERVICES, service("db", HTTP, clusterIP="None"))
    await cluster.put(SERVICES, service("eager", HTTP, clusterIP="None", publishNotReadyAddresses=True))
    await cluster.put(SERVICES, service("empty", HTTP, clusterIP="None"))
    await cluster.put(SERVICES, service("away", type="ExternalName", clusterIP="", externalName="example.org"))
    await cluster.put(SERVICES, service("alias", type="ExternalName", clusterIP="", externalName="web.default.svc.cluster.local"))
    await cluster.put(SERVICES, service("loop", type="ExternalName", clusterIP="", externalName="loop.default.svc.cluster.local"))
    await cluster.put(SERVICES, service("many", HTTP, clusterIP="None"))
    await cluster.put(ENDPOINTSLICES, endpoint_slice("many", [HTTP], *(endpoint(f"10.1.2.{number}") for number in range(1, 101))))
    await cluster.put(SERVICES, service("broken", type="ExternalName", clusterIP="", externalName=f"{'a' * 64}.example"))
    pods = [endpoint("10.244.0.5", hostname="db-0"), endpoint("10.244.0.6"), endpoint("10.244.0.7", ready=False)]
    await cluster.put(ENDPOINTSLICES, endpoint_slice("db", [HTTP | {"port": 5432}], *pods))
    await cluster.put(ENDPOINTSLICES, endpoint_slice("eager", [HTTP], endpoint("10.244.0.8", ready=False)))
    await cluster.put(ENDPOINTSLICES, endpoint_slice("web", [HTTP], endpoint("10.244.0.9", hostname="w")))


@contextlib.asynccontextmanager
async def cluster_dns(*upstream: str, resolv_conf: Path | None = None) -> AsyncIterator[Dns]:
    cluster = FakeCluster()
    await fill(cluster)
    networks = ("10.96.0.0/12", "10.244.0.0/16")
    config = ClusterDNSConfig(node="here", addresses=("127.0.0.1",), cluster_ips=("10.96.0.10",), port=0, networks=networks)
    informers = cluster.informers()
    zone = Zone(informers, config)
    resolver = Resolver(zone, lambda _: Upstream(None if resolv_conf else upstream, resolv_conf or Path("/"), ()))
    async with running(informers.run), serving(resolver) as asked:
        yield asked


ANSWERS = [
    ("web.default", "A", ["10.96.0.10"]),
    ("WEB.Default", "A", ["10.96.0.10"]),
    ("web.default", "AAAA", []),
    ("web.default", "TXT", []),
    ("none.default", "A", ["NXDOMAIN"]),
    ("web.none", "A", ["NXDOMAIN"]),
    ("default", "A", []),
    ("none", "A", ["NXDOMAIN"]),
    ("db.default", "A", ["10.244.0.5", "10.244.0.6"]),
    ("db.default", "AAAA", []),
    ("db-0.db.default", "A", ["10.244.0.5"]),
    ("10-244-0-6.db.default", "A", ["10.244.0.6"]),
    ("10-244-0-7.db.default", "A", ["NXDOMAIN"]),
    ("empty.default", "A", ["NXDOMAIN"]),
    ("eager.default", "A", ["10.244.0.8"]),
    ("_http._tcp.web.default", "SRV", [f"0 100 80 web.default.{ORIGIN}."]),
    ("_http._udp.web.default", "SRV", ["NXDOMAIN"]),
    ("_tcp.web.default", "A", []),
    ("_http._tcp.db.default", "SRV", [f"0 50 5432 10-244-0-6.db.default.{ORIGIN}.", f"0 50 5432 db-0.db.default.{ORIGIN}."]),
    ("_http._tcp.db.default", "A", []),
    ("a.b.c.db.default", "A", ["NXDOMAIN"]),
    ("away.default", "CNAME", ["example.org."]),
    ("loop.default", "A", ["SERVFAIL"]),
]


@pytest.mark.parametrize(("name", "type_", "expected"), ANSWERS)
async def test_names_of_services_and_endpoints(name: str, type_: str, expected: list[str]) -> None:
    async with cluster_dns() as asked:
        assert await asked.ask(f"{name}.{ORIGIN}", type_) == expected


@pytest.mark.parametrize(
    ("name", "type_", "expected"),
    [
        ("1-2-3-4.default.pod.cluster.local", "A", ["1.2.3.4"]),
        ("1-2-3.default.pod.cluster.local", "A", ["NXDOMAIN"]),
        ("1-2-3-4.none.pod.cluster.local", "A", ["NXDOMAIN"]),
        ("svc.cluster.local", "A", []),
        ("cluster.local", "A", []),
        ("cluster.local", "NS", ["ns.dns.cluster.local."]),
        ("ns.dns.cluster.local", "A", ["10.96.0.10"]),
        ("dns-version.cluster.local", "TXT", ['"1.1.0"']),
        ("other.cluster.local", "A", ["NXDOMAIN"]),
        ("10.0.96.10.in-addr.arpa", "PTR", ["web.default.svc.cluster.local."]),
        ("5.0.244.10.in-addr.arpa", "PTR", ["db-0.db.default.svc.cluster.local."]),
        ("6.0.244.10.in-addr.arpa", "PTR", ["NXDOMAIN"]),
        ("9.0.244.10.in-addr.arpa", "PTR", ["NXDOMAIN"]),
        ("1.1.168.192.in-addr.arpa", "PTR", ["SERVFAIL"]),
    ],
)
async def test_the_rest_of_the_zone_and_reverse_names(name: str, type_: str, expected: list[str]) -> None:
    async with cluster_dns() as asked:
        if name.startswith("10.0.96"):
            name = dns.reversename.from_address("10.96.0.10").to_text()
        assert await asked.ask(name, type_) == expected


async def test_a_cname_inside_the_zone_comes_with_its_target() -> None:
    async with cluster_dns() as asked:
        answer = await asked.ask(f"alias.default.{ORIGIN}")
        assert answer == [f"alias.default.{ORIGIN}. web.default.{ORIGIN}.", f"web.default.{ORIGIN}. 10.96.0.10"]


async def test_an_srv_answer_carries_the_addresses_of_its_targets() -> None:
    async with cluster_dns() as asked:
        message = await asked.message(f"_http._tcp.db.default.{ORIGIN}", "SRV")
        assert sorted(str(rrset[0]) for rrset in message.additional) == ["10.244.0.5", "10.244.0.6"]


@pytest.mark.parametrize("name", ["none.default", "web.default"])
async def test_a_negative_answer_says_how_long_it_holds(name: str) -> None:
    async with cluster_dns() as asked:
        message = await asked.message(f"{name}.{ORIGIN}", "AAAA")
        (soa,) = message.authority
        assert (soa.name.to_text(), soa.ttl, soa[0].minimum) == ("cluster.local.", 5, 5)
        assert message.flags & dns.flags.AA


async def test_the_same_over_tcp_and_several_questions_on_one_connection() -> None:
    async with cluster_dns() as asked:
        reader, writer = await asyncio.open_connection("127.0.0.1", asked.port)
        for identifier in (1, 2):
            query = dns.message.make_query(f"web.default.{ORIGIN}", "A", id=identifier).to_wire()
            writer.write(len(query).to_bytes(2, "big") + query)
            answer = dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))
            assert (answer.id, str(answer.answer[0][0])) == (identifier, "10.96.0.10")
        writer.close()
        await writer.wait_closed()


async def test_edns_is_answered_with_edns() -> None:
    async with cluster_dns() as asked:
        assert (await asked.message(f"web.default.{ORIGIN}", use_edns=0)).edns == 0
        assert (await asked.message(f"web.default.{ORIGIN}", use_edns=False)).edns == -1


class Authority(asyncio.DatagramProtocol):
    """An upstream server that answers every question with one address."""

    def __init__(self, *, silent: bool = False, truncated: bool = False) -> None:
        self.silent = silent
        self.truncated = truncated
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        self.asked.append(query.question[0].name.to_text())
        if not self.silent:
            answer = dns.message.make_response(query)
            if self.truncated:
                answer.flags |= dns.flags.TC
            else:
                answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "192.0.2.77"))
            self.transport.sendto(answer.to_wire(), addr)


@contextlib.asynccontextmanager
async def authority(**how: bool) -> AsyncIterator[tuple[str, Authority]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: Authority(**how), local_addr=("127.0.0.1", 0))
    try:
        yield "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1]), protocol
    finally:
        transport.close()


async def test_other_names_are_asked_upstream() -> None:
    async with authority() as (upstream, protocol), cluster_dns(upstream) as asked:
        assert await asked.ask("example.org") == ["192.0.2.77"]
        assert await asked.ask(f"none.default.{ORIGIN}") == ["NXDOMAIN"]
        assert protocol.asked == ["example.org."], "the cluster's own names never leave the node"


async def test_an_external_name_is_followed_upstream() -> None:
    async with authority() as (upstream, _), cluster_dns(upstream) as asked:
        assert await asked.ask(f"away.default.{ORIGIN}") == [f"away.default.{ORIGIN}. example.org.", "example.org. 192.0.2.77"]


async def test_an_answer_from_upstream_is_asked_for_once() -> None:
    async with authority() as (upstream, protocol), cluster_dns(upstream) as asked:
        assert [await asked.ask("example.org", tcp=False) for _ in range(3)] == [["192.0.2.77"]] * 3
        assert await asked.ask(f"away.default.{ORIGIN}") == [f"away.default.{ORIGIN}. example.org.", "example.org. 192.0.2.77"]
        assert protocol.asked == ["example.org."]


async def test_what_one_upstream_said_is_forgotten_when_there_is_another_one(tmp_path: Path) -> None:
    cluster = FakeCluster()
    informers = cluster.informers()
    config = ClusterDNSConfig(node="here", addresses=("127.0.0.1",), cluster_ips=("10.96.0.10",), port=0)
    async with authority() as (first, first_asked), authority() as (second, second_asked):
        upstream = Moving([first], Path("/"), ())
        resolver = Resolver(Zone(informers, config), lambda _: upstream)
        async with running(informers.run), serving(resolver) as asked:
            await asked.ask("example.org")
            upstream.move(second)
            await asked.ask("example.org")
    assert (len(first_asked.asked), len(second_asked.asked)) == (1, 1)


class Moving(Upstream):
    """Its servers change, as those of resolv.conf do."""

    def move(self, server: str) -> None:
        self._fixed = [parse_server(server)]


async def test_one_asker_cannot_take_all_connections() -> None:
    async with cluster_dns() as asked:
        open_ = [await asyncio.open_connection("127.0.0.1", asked.port) for _ in range(server.MOST_CONNECTIONS_OF_ONE)]
        reader, writer = await asyncio.open_connection("127.0.0.1", asked.port)
        assert await reader.read(1) == b"", "closed at once"
        query = dns.message.make_query(f"web.default.{ORIGIN}", "A")
        answer = await dns.asyncquery.tcp(query, "127.0.0.1", port=asked.port, timeout=8, source="127.0.0.2")
        assert str(answer.answer[0][0]) == "10.96.0.10"
        for _, each in (*open_, (reader, writer)):
            each.close()
            await each.wait_closed()


async def test_one_asker_cannot_take_all_places_while_upstream_is_silent() -> None:
    """Whoever finds none left is told so at once, long before the others' questions are given up."""
    async with authority(silent=True) as (silent, protocol), cluster_dns(silent) as asked:
        refused: asyncio.Queue[int] = asyncio.Queue()

        class Asker(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                refused.put_nowait(int.from_bytes(data[:2], "big"))

        loop = asyncio.get_running_loop()
        one, _ = await loop.create_datagram_endpoint(Asker, local_addr=("127.0.0.1", 0), remote_addr=("127.0.0.1", asked.port))
        other, _ = await loop.create_datagram_endpoint(Asker, local_addr=("127.0.0.2", 0), remote_addr=("127.0.0.1", asked.port))
        for number in range(server.MOST_WAITING_OF_ONE + 3):
            one.sendto(dns.message.make_query(f"n{number}.example.org", "A", id=number).to_wire())
            while number >= len(protocol.asked) and number < server.MOST_WAITING_OF_ONE:
                await asyncio.sleep(0.001)
        async with asyncio.timeout(5):
            assert sorted([await refused.get() for _ in range(3)]) == [server.MOST_WAITING_OF_ONE + number for number in range(3)]
            other.sendto(dns.message.make_query("other.example.org", "A", id=1).to_wire())
            while "other.example.org." not in protocol.asked:
                await asyncio.sleep(0.001)
        one.close()
        other.close()


def test_places_are_given_back() -> None:
    places = Places(3, 2)
    assert [places.take(address) for address in ("a", "a", "a", "b", "b", "c")] == [True, True, False, True, False, False]
    places.give("a")
    assert places.take("c")


async def test_a_silent_upstream_server_is_passed_over() -> None:
    async with authority(silent=True) as (silent, _), authority() as (upstream, _), cluster_dns(silent, upstream) as asked:
        assert await asked.ask("example.org") == ["192.0.2.77"]


async def test_without_upstream_failure_is_said_at_once() -> None:
    async with cluster_dns() as asked:
        began = asyncio.get_running_loop().time()
        assert await asked.ask("example.org") == ["SERVFAIL"]
        assert await asked.ask("example.org", tcp=True) == ["SERVFAIL"]
        assert asyncio.get_running_loop().time() - began < 0.5


async def test_a_closed_upstream_port_is_failure_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    async with cluster_dns(f"127.0.0.1:{port}") as asked:
        began = asyncio.get_running_loop().time()
        assert await asked.ask("example.org") == ["SERVFAIL"]
        assert asyncio.get_running_loop().time() - began < 0.5


async def test_names_are_answered_while_upstream_is_silent() -> None:
    async with authority(silent=True) as (silent, _), cluster_dns(silent) as asked:
        waiting = asyncio.ensure_future(asked.ask("example.org"))
        assert await asked.ask(f"web.default.{ORIGIN}") == ["10.96.0.10"]
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


def test_a_changed_resolv_conf_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    upstream = Upstream(None, path, {("10.0.0.1", 53)})
    assert upstream.servers() == []
    path.write_text("nameserver 192.0.2.1\n")
    assert upstream.servers() == [("192.0.2.1", 53)]
    path.write_text("# comment\nsearch x\nnameserver 192.0.2.2\nnameserver 10.0.0.1\n")
    assert upstream.servers() == [("192.0.2.2", 53)], "never to this server itself"


def test_server_addresses_are_read_with_and_without_port() -> None:
    assert [parse_server(text) for text in ("1.2.3.4", "1.2.3.4:54", "::1", "[::1]:54")] == [
        ("1.2.3.4", 53),
        ("1.2.3.4", 54),
        ("::1", 53),
        ("::1", 54),
    ]
    assert parse_resolv_conf("nameserver\nnameserver nonsense\n") == []


async def test_a_hundred_endpoints_are_all_told_over_udp_to_who_offers_room() -> None:
    async with cluster_dns() as asked:
        whole = await asked.message(f"many.default.{ORIGIN}", use_edns=0, payload=4096)
        assert (len(whole.answer[0]), bool(whole.flags & dns.flags.TC)) == (100, False)
        part = await asked.message(f"many.default.{ORIGIN}")
        assert (len(part.answer[0]) >= 27, bool(part.flags & dns.flags.TC)) == (True, True)


async def test_a_service_of_thousands_of_endpoints_costs_a_question_little_and_is_told_as_far_as_it_fits() -> None:
    """The addresses of the hosts that an SRV answer names are found in one go, not by a search for each of them."""
    cluster = FakeCluster()
    await cluster.put(SERVICES, service("huge", HTTP, clusterIP="None"))
    for number in range(8):
        addresses = (f"10.{number}.{each // 250}.{each % 250}" for each in range(1000))
        await cluster.put(ENDPOINTSLICES, endpoint_slice("huge", [HTTP], *map(endpoint, addresses), suffix=str(number)))
    informers = cluster.informers()
    zone = Zone(informers, ClusterDNSConfig(node="here", addresses=("127.0.0.1",), cluster_ips=("10.96.0.10",), port=0))
    looked = 0
    hosts = zone._hosts

    def counted(*arguments: Any) -> Any:
        nonlocal looked
        looked += 1
        return hosts(*arguments)

    zone._hosts = counted  # type: ignore[method-assign]
    async with running(informers.run), serving(Resolver(zone, lambda _: Upstream((), Path("/"), ()))) as asked:
        await zone.wait_synced()
        for tcp, few in ((False, 1), (True, 500)):
            srv = await asked.message(f"_http._tcp.huge.default.{ORIGIN}", "SRV", tcp=tcp)
            assert (len(srv.answer[0]) >= few, bool(srv.flags & dns.flags.TC)) == (True, True)
        whole = await asked.message(f"huge.default.{ORIGIN}", tcp=True)
        assert (len(whole.answer[0]) > 3000, bool(whole.flags & dns.flags.TC)) == (True, True)
    assert looked <= 3


async def test_an_srv_answer_carries_the_addresses_that_fit() -> None:
    async with cluster_dns() as asked:
        message = await asked.message(f"_http._tcp.many.default.{ORIGIN}", "SRV", use_edns=0, payload=4096, tcp=True)
        assert (len(message.answer[0]), len(message.additional)) == (100, 100)


async def test_an_answer_for_an_external_name_that_is_too_long_for_a_datagram_is_whole() -> None:
    async with authority(truncated=True) as (upstream, protocol):
        many = [f"192.0.2.{number}" for number in range(1, 101)]

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            query = dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))
            response = dns.message.make_response(query)
            response.answer.append(dns.rrset.from_text_list(query.question[0].name, 60, "IN", "A", many))
            wire = response.to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()
            writer.close()

        address, _, port = upstream.partition(":")
        async with await asyncio.start_server(answer, address, int(port)), cluster_dns(upstream) as asked:
            found = await asked.message(f"away.default.{ORIGIN}", use_edns=0, payload=4096)
            assert [len(rrset) for rrset in found.answer] == [1, 100]
            assert protocol.asked == ["example.org."]


async def test_an_answer_to_another_question_is_none_over_tcp_either() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))
        other = dns.message.make_response(dns.message.make_query("other.example", "A", id=query.id))
        other.answer.append(dns.rrset.from_text("other.example.", 60, "IN", "A", "192.0.2.66"))
        writer.write(len(other.to_wire()).to_bytes(2, "big") + other.to_wire())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as upstream:
        port = upstream.sockets[0].getsockname()[1]
        async with cluster_dns(f"127.0.0.1:{port}") as asked:
            assert await asked.ask("example.org", tcp=True) == ["SERVFAIL"]


async def test_an_object_that_makes_no_sense_costs_only_its_own_name_an_answer() -> None:
    async with cluster_dns() as asked:
        assert await asked.ask(f"broken.default.{ORIGIN}") == ["SERVFAIL"]
        assert await asked.ask(f"web.default.{ORIGIN}") == ["10.96.0.10"]


async def test_a_server_that_did_not_answer_is_asked_last_for_a_while() -> None:
    question = dns.message.make_query("example.org", "A").to_wire()
    async with authority(silent=True) as (silent, _), authority() as (answering, _):
        upstream = Upstream([silent, answering], Path("/"), ())
        first, second = upstream.servers()
        await upstream.ask(question, stream=False)
        assert upstream.servers() == [second, first]
