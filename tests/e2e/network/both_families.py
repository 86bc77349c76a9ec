"""A host with two pods, a pod of another node and a machine outside, all with addresses of both families, and the real proxy."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, SERVICES
from pilothouse.network.service import ServiceProxy, ServiceProxyConfig
from tests.e2e.network.conftest import Namespace, sh
from tests.e2e.network.pods import Make, running
from tests.network.cluster import FakeCluster, endpoint, endpoint_slice, service

CONFIG = ServiceProxyConfig(
    instance="pht",
    node="here",
    local_cidrs=("10.244.7.0/24", "fd00:244:7::/64"),
    cluster_cidrs=("10.244.0.0/16", "fd00:244::/32"),
    service_cidrs=("10.96.0.0/12", "fd00:96::/108"),
    node_port_addresses=("127.0.0.1", "192.0.2.0/24", "2001:db8::/64"),
)
CLUSTER = {"4": "10.96.0.10", "6": "fd00:96::a"}
NODE = {"4": "192.0.2.1", "6": "2001:db8::1"}
OUTSIDE = {"4": "192.0.2.50", "6": "2001:db8::50"}
ONE, TWO = {"4": "10.244.7.2", "6": "fd00:244:7::2"}, {"4": "10.244.7.3", "6": "fd00:244:7::3"}
FAR = {"4": "10.244.8.2", "6": "fd00:244:8::2"}
"""A pod of another node, which is the machine outside."""
GATEWAY = {"4": "10.244.7.1", "6": "fd00:244:7::1"}
BITS = {"4": ("24", "32"), "6": ("64", "128")}
BOTH: Object = {"clusterIPs": list(CLUSTER.values()), "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}
PORT: Object = {"name": "http", "protocol": "TCP", "port": 80, "nodePort": 30080}


def url(address: str, port: int = 80) -> str:
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"


def connected(name: str, namespace: Namespace, host: dict[str, str], other: dict[str, str]) -> None:
    """A link to the namespace, whose default route leads to the host."""
    sh("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(namespace.process.pid))
    sh("ip", "link", "set", name, "up")
    for command in (("ip", "link", "set", "eth0", "up"), ("ip", "link", "set", "lo", "up")):
        namespace.run(*command)
    for family, (_, own) in BITS.items():
        dad = ("nodad",) if family == "6" else ()
        sh("ip", "address", "replace", f"{host[family]}/{own}", "dev", name, *dad)
        namespace.run("ip", "address", "add", f"{other[family]}/{own}", "dev", "eth0", *dad)
        sh("ip", "route", "add", other[family], "dev", name, "src", host[family])
        namespace.run("ip", f"-{family}", "route", "add", host[family], "dev", "eth0")
        namespace.run("ip", f"-{family}", "route", "add", "default", "via", host[family])


@dataclass
class Host:
    cluster: FakeCluster
    barrier: EndpointBarrier
    proxy: ServiceProxy
    one: Namespace
    two: Namespace
    outside: Namespace

    async def declare(self, *places: dict[str, str], port: Object = PORT, slices: list[Object] | None = None, **spec: Any) -> None:
        """A Service of both families that leads to these pods, and wait until it does."""
        status = spec.pop("status", {})
        await self.cluster.put(SERVICES, service("web", port, **BOTH, **({"type": "NodePort"} | spec)) | {"status": status})
        await self.route(*places, protocol=port["protocol"], port=port.get("targetPort", port["port"]))

    async def route(self, *places: dict[str, str], protocol: str = "TCP", port: int = 80) -> None:
        offered = [{"name": "http", "protocol": protocol, "port": port}]
        for family, type_ in (("4", "IPv4"), ("6", "IPv6")):
            found = [endpoint(place[family], node="there" if place is FAR else "here") for place in places]
            await self.cluster.put(ENDPOINTSLICES, endpoint_slice("web", offered, *found, suffix=family) | {"addressType": type_})
        wanted = {place[family] for place in places for family in BITS}
        async with asyncio.timeout(20):
            while self.barrier.addresses() != wanted:
                await asyncio.sleep(0.005)
        # What is led to other policies may be another address's chain; the next round trip through the proxy's thread is after it.
        await asyncio.sleep(0.05)


def prepare(namespace: Make) -> tuple[Namespace, Namespace, Namespace]:
    for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv4.conf.all.route_localnet"):
        Path("/proc/sys", *key.split(".")).write_text("1")
    one, two, outside = namespace(), namespace(), namespace()
    # Addresses of links count at once, and not when a second has passed without somebody else claiming them.
    unclaimed = ("sh", "-c", "for each in all default; do echo 0 > /proc/sys/net/ipv6/conf/$each/accept_dad; done")
    sh(*unclaimed)
    for each in (one, two, outside):
        each.run(*unclaimed)
    connected("one", one, GATEWAY, ONE)
    connected("two", two, GATEWAY, TWO)
    connected("out", outside, NODE, OUTSIDE)
    for family, (_, own) in BITS.items():
        outside.run("ip", "address", "add", f"{FAR[family]}/{own}", "dev", "lo")
        sh("ip", f"-{family}", "route", "add", "default", "via", OUTSIDE[family], "dev", "out", *(() if family == "6" else ("onlink",)))
        sh("ip", "route", "add", FAR[family], "via", OUTSIDE[family], *(("dev", "out") if family == "6" else ("dev", "out", "onlink")))
    return one, two, outside


@contextlib.asynccontextmanager
async def host_of_both(namespace: Make, config: ServiceProxyConfig = CONFIG) -> AsyncIterator[Host]:
    one, two, outside = prepare(namespace)
    cluster, barrier = FakeCluster(), EndpointBarrier()
    informers = cluster.informers()
    proxy = ServiceProxy(informers, barrier, config)
    async with running(informers), running(proxy):
        yield Host(cluster, barrier, proxy, one, two, outside)
    await asyncio.to_thread(proxy.teardown)
    assert sh("nft", "list", "ruleset") == ""
