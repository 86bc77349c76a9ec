"""A DNS server over objects in memory on loopback, asked by dnspython."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from pilothouse.aio.tasks import TaskSet, running
from pilothouse.model.json import Object
from pilothouse.model.kinds import NAMESPACES, PODS
from pilothouse.network.dns import ClusterDNSConfig, server
from pilothouse.network.dns.corefile import Configuration, Forward, parse
from pilothouse.network.dns.resolver import Resolver
from pilothouse.network.dns.searching import BY_ADDRESS, SearchPaths, pod_addresses
from pilothouse.network.dns.upstream import Upstream
from pilothouse.network.dns.zone import Zone
from tests.network.cluster import FakeCluster

ORIGIN = "svc.cluster.local"
NETWORKS = ("10.96.0.0/12", "10.244.0.0/16", "fd00:96::/108", "fd00:244::/48")


@dataclass
class Served:
    cluster: FakeCluster
    resolver: Resolver
    port: int

    async def message(
        self, name: str, type_: str = "A", *, tcp: bool = False, source: str | None = None, **more: Any
    ) -> dns.message.Message:
        query = dns.message.make_query(name, type_, **more)
        ask = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await ask(query, "127.0.0.1", port=self.port, timeout=8, source=source)

    async def ask(self, name: str, type_: str = "A", **more: Any) -> list[str]:
        """Answers as text, sorted, with their names when there are several; the code's name instead when it is not NOERROR."""
        message = await self.message(name, type_, **more)
        if message.rcode() != dns.rcode.NOERROR:
            return [dns.rcode.to_text(message.rcode())]
        many = len(message.answer) > 1
        return sorted(f"{rrset.name} {rdata}" if many else str(rdata) for rrset in message.answer for rdata in rrset)


@contextlib.asynccontextmanager
async def served(
    *objects: tuple[Any, Object],
    namespaces: tuple[str, ...] = ("default",),
    corefile: str | None = None,
    upstream: tuple[str, ...] = (),
    resolv_conf: Path = Path("/"),
) -> AsyncIterator[Served]:
    """upstream: what the machine's resolv.conf is taken to say."""
    cluster = FakeCluster()
    for namespace in namespaces:
        await cluster.put(NAMESPACES, {"metadata": {"name": namespace, "uid": namespace}})
    for resource, obj in objects:
        await cluster.put(resource, obj)
    config = ClusterDNSConfig(node="here", addresses=("127.0.0.1",), cluster_ips=("10.96.0.10", "fd00:96::a"), port=0, networks=NETWORKS)
    informers = cluster.informers()
    zone = Zone(informers, config)
    pods = informers.of(PODS, indexes={BY_ADDRESS: pod_addresses})
    resolver = Resolver(
        zone,
        _upstreams(upstream),
        searches=SearchPaths(pods, zone.origin, resolv_conf),
        configuration=None if corefile is None else configuration(corefile),
    )
    tasks = TaskSet()
    async with running(informers.run):
        listening = await server.listen(resolver, tasks, ("127.0.0.1",), 0)
        try:
            yield Served(cluster, resolver, listening.port)
        finally:
            listening.close()
            await tasks.close()
            await asyncio.sleep(0)


def configuration(text: str) -> Configuration:
    return parse(text, "cluster.local", 5)


def _upstreams(of_the_host: tuple[str, ...]) -> Callable[[Forward], Upstream]:
    def make(forward: Forward) -> Upstream:
        servers = of_the_host if forward.servers == ("/etc/resolv.conf",) else forward.servers
        return Upstream(servers, Path("/"), (), most=forward.max_concurrent)

    return make


class Authority(asyncio.DatagramProtocol):
    """Another name server. records: addresses by name; names that are not among them do not exist."""

    def __init__(self, records: dict[str, str] | None, *, silent: bool = False, code: str = "NXDOMAIN") -> None:
        self.records = records
        self.silent = silent
        self.code = code
        self.delay_s = 0.0
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.asked.append(f"{question.name.to_text(omit_final_dot=True)} {dns.rdatatype.to_text(question.rdtype)}")
        if self.silent:
            return
        answer = dns.message.make_response(query)
        found = "192.0.2.77" if self.records is None else self.records.get(question.name.to_text(omit_final_dot=True))
        if found is None:
            answer.set_rcode(dns.rcode.from_text(self.code))
            answer.authority.append(dns.rrset.from_text("org.", 60, "IN", "SOA", "ns.org. host.org. 1 7200 900 1209600 60"))
        elif question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", found))
        else:
            answer.authority.append(dns.rrset.from_text("org.", 60, "IN", "SOA", "ns.org. host.org. 1 7200 900 1209600 60"))
        asyncio.get_running_loop().call_later(self.delay_s, self.transport.sendto, answer.to_wire(), addr)


@contextlib.asynccontextmanager
async def authority(records: dict[str, str] | None = None, **how: Any) -> AsyncIterator[tuple[str, Authority]]:
    """Its `address:port`, and itself. Without records every name has one address."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: Authority(records, **how), local_addr=("127.0.0.1", 0))
    try:
        yield "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1]), protocol
    finally:
        transport.close()
