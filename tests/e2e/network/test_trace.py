"""A packet between two pods of a host, with rules as the parts of the network write them: what ends it is named."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from pilothouse.cli.trace.story import Facts, Story, story
from pilothouse.cli.trace.target import Endpoint, Target
from pilothouse.model.errors import NotFound, TooManyRequests
from pilothouse.model.json import Object
from pilothouse.model.policy_refusals import REHEARSE
from pilothouse.network.trace import TraceConfig, Tracing
from pilothouse.network.trace.wanted import Sending, wanted
from tests.e2e.network.conftest import Namespace, sh
from tests.e2e.network.lan import Make

pytestmark = pytest.mark.containers

CLIENT, SERVER, CLUSTER_IP = "10.9.0.2", "10.9.1.2", "10.96.0.20"
CONFIG = TraceConfig(instance="t")
SERVICE_TABLE = f"""
add table ip pilothouse-t-svc
add chain ip pilothouse-t-svc refuse
add rule ip pilothouse-t-svc refuse meta l4proto tcp reject with tcp reset
add rule ip pilothouse-t-svc refuse reject
add chain ip pilothouse-t-svc s-1-default/web/tcp/80
add chain ip pilothouse-t-svc f-1-default/web/tcp/80
add rule ip pilothouse-t-svc f-1-default/web/tcp/80 ip saddr != {{ 192.0.2.0/24 }} drop
add chain ip pilothouse-t-svc arrive {{ type nat hook prerouting priority -100; }}
add chain ip pilothouse-t-svc leave {{ type nat hook postrouting priority 100; }}
add rule ip pilothouse-t-svc leave ip saddr 127.0.0.0/8 masquerade
add rule ip pilothouse-t-svc arrive ip daddr . meta l4proto . th dport vmap {{ {CLUSTER_IP} . tcp . 80 : goto INTO-1-default/web/tcp/80 }}
"""
LEADS = f"add rule ip pilothouse-t-svc s-1-default/web/tcp/80 meta l4proto tcp dnat to {SERVER}:8080\n"
REFUSES = "add rule ip pilothouse-t-svc s-1-default/web/tcp/80 goto refuse\n"
POLICY = f"""
add table ip pilothouse-t-policy
add chain ip pilothouse-t-policy ingress-0011223344556677
add rule ip pilothouse-t-policy ingress-0011223344556677 counter drop
add chain ip pilothouse-t-policy entering {{ type filter hook forward priority 1; policy accept; }}
add rule ip pilothouse-t-policy entering ip daddr vmap {{ {SERVER} : jump ingress-0011223344556677 }}
"""
REHEARSAL = f"""
add table ip pilothouse-t-policy
add chain ip pilothouse-t-policy ingress-would-0011223344556677
add rule ip pilothouse-t-policy ingress-would-0011223344556677 tcp dport 9090 return
add rule ip pilothouse-t-policy ingress-would-0011223344556677 counter
add chain ip pilothouse-t-policy entering {{ type filter hook forward priority 1; policy accept; }}
add rule ip pilothouse-t-policy entering ip daddr vmap {{ {SERVER} : jump ingress-would-0011223344556677 }}
"""
FIREWALL = f"""
add table ip filter
add chain ip filter FORWARD {{ type filter hook forward priority 0; policy accept; }}
add rule ip filter FORWARD ip daddr {SERVER} tcp dport 8080 counter drop
"""


def pod(name: str, address: str, **labels: str) -> Object:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": labels},
        "spec": {"nodeName": "here"},
        "status": {"phase": "Running", "podIPs": [{"ip": address}]},
    }


DENY: Object = {"metadata": {"name": "deny", "namespace": "default"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
WEB = Target(
    "service default/web",
    CLUSTER_IP,
    80,
    "tcp",
    {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "loadBalancerSourceRanges": ["192.0.2.0/24"]}},
    (Endpoint(SERVER, 8080, "here", "default/server", True),),
    {"port": 80, "protocol": "TCP", "targetPort": 8080},
)


class Host:
    """Two pods, and the namespace that routes between them."""

    def __init__(self, make: Make) -> None:
        self.client, self.server = make(), make()
        for number, (each, address) in enumerate(((self.client, CLIENT), (self.server, SERVER))):
            gateway = f"{address[:-1]}1"
            sh("ip", "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", str(each.process.pid))
            sh("ip", "addr", "add", f"{gateway}/24", "dev", f"v{number}")
            sh("ip", "link", "set", f"v{number}", "up")
            each.run("ip", "link", "set", "lo", "up")
            each.run("ip", "addr", "add", f"{address}/24", "dev", "eth0")
            each.run("ip", "link", "set", "eth0", "up")
            each.run("ip", "route", "add", "default", "via", gateway)
        sh("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.numbers = iter(range(41000, 42000))

    async def trace(self, target: Target, **facts: Any) -> Story:
        async def namespace_of(_: Sending) -> str:
            return self.client.path

        tracing = Tracing(CONFIG, namespace_of)
        send = {"namespace": "default", "pod": "client", "uid": "client", "destination": target.address, "port": target.port}
        body = {"protocol": target.protocol, "sourcePort": next(self.numbers), "sources": [CLIENT], "seconds": 0.6, "send": send}
        report = await tracing.end(await tracing.begin(wanted(body)))
        pods = {"default/server": pod("server", SERVER, app="web")}
        return story(Facts(pod("client", CLIENT), target, pods, **facts), {"here": report.document()})


@pytest.fixture
def ours(namespace: Make) -> Host:
    return Host(namespace)


@pytest.fixture
async def listening(ours: Host) -> AsyncIterator[None]:
    """Something that answers on the server's port 8080."""
    process = await asyncio.create_subprocess_exec(*ours.server.command("socat", "TCP-LISTEN:8080,fork,reuseaddr", "/dev/null"))
    async with asyncio.timeout(5):
        while "8080" not in ours.server.run("ss", "-Htln"):
            await asyncio.sleep(0.02)
    yield
    process.kill()
    await process.wait()


def load(rules: str, into: str = "s") -> None:
    sh("nft", "-f", "-", input=rules.replace("INTO", into))


async def test_a_packet_that_is_answered_is_followed_to_the_pod(ours: Host, listening: None) -> None:
    load(SERVICE_TABLE + LEADS)
    told = await ours.trace(WEB)
    assert (told.outcome, told.cause) == ("answered", "")
    assert [hop.what.partition(" as ")[0] for hop in told.hops] == [
        "leaves pod default/client",
        f"service default/web leads to pod default/server on node here at {SERVER}:8080",
        "leaves by v1, the way to the pod",
    ]
    assert "trace" not in sh("nft", "list", "tables"), "nothing of it stays"


async def test_a_service_without_endpoints_is_named(ours: Host) -> None:
    load(SERVICE_TABLE + REFUSES)
    told = await ours.trace(replace(WEB, endpoints=()))
    why = "no pod has the labels app=web of its selector; compare spec.selector with the pods' labels"
    assert (told.outcome, told.cause) == ("refused", f"service default/web has no endpoint: {why}")
    assert (told.table, told.chain) == ("ip pilothouse-t-svc", "refuse")


async def test_a_source_range_is_named(ours: Host) -> None:
    load(SERVICE_TABLE, into="f")
    told = await ours.trace(WEB)
    assert told.outcome == "dropped"
    assert "takes packets from 192.0.2.0/24 alone (loadBalancerSourceRanges), not from 10.9.0.2" in told.cause


async def test_a_network_policy_is_named(ours: Host, listening: None) -> None:
    load(SERVICE_TABLE + LEADS + POLICY)
    told = await ours.trace(WEB, policies=[DENY])
    assert (told.outcome, told.policies) == ("dropped", ("default/deny",))
    assert told.cause == "NetworkPolicy default/deny does not allow it: ingress to pod default/server, tcp port 8080"
    assert "drop" in told.rule


@pytest.mark.parametrize(("allowed", "would"), [(9090, ("NetworkPolicy default/try (ingress)",)), (8080, ())])
async def test_a_rehearsal_is_named_where_it_would_drop(ours: Host, listening: None, allowed: int, would: tuple[str, ...]) -> None:
    load(SERVICE_TABLE + LEADS + REHEARSAL.replace("9090", str(allowed)))
    metadata = {"name": "try", "namespace": "default", "annotations": {REHEARSE: "true"}}
    told = await ours.trace(WEB, policies=[{**DENY, "metadata": metadata}])
    assert (told.outcome, told.would) == ("answered", would)


async def test_of_a_trace_that_is_broken_off_nothing_stays(ours: Host) -> None:
    async def nowhere(_: Sending) -> str:
        return ours.client.path

    tracing = Tracing(CONFIG, nowhere)
    send = {"namespace": "default", "pod": "client", "uid": "client", "destination": SERVER, "port": 9}
    sh("nft", "-f", "-", input="add table ip shut\nadd chain ip shut f { type filter hook forward priority 0; policy drop; }\n")
    identifier = await tracing.begin(wanted({"protocol": "tcp", "sourcePort": 42002, "sources": [CLIENT], "seconds": 9.0, "send": send}))
    assert "trace" in sh("nft", "list", "tables")
    tracing.forget(identifier)
    async with asyncio.timeout(5):
        while "trace" in sh("nft", "list", "tables"):
            await asyncio.sleep(0.02)


async def test_a_firewall_of_somebody_else_is_named_with_its_rule(ours: Host, listening: None) -> None:
    load(SERVICE_TABLE + LEADS + FIREWALL)
    told = await ours.trace(WEB)
    assert told.outcome == "dropped"
    assert "another firewall on node here drops it: table ip filter, chain FORWARD" in told.cause
    assert "tcp dport 8080" in told.rule


async def test_a_missing_route_is_named(ours: Host) -> None:
    told = await ours.trace(Target("198.51.100.7", "198.51.100.7", 80, "tcp"))
    assert told.outcome == "dropped"
    assert "node here has no route to 198.51.100.7" in told.cause


async def test_a_port_where_nothing_listens_is_named(ours: Host) -> None:
    load(SERVICE_TABLE + LEADS)
    told = await ours.trace(WEB)
    assert (told.outcome, told.cause) == ("refused", f"{SERVER}:8080 is reached and refuses: nothing listens on port 8080")


async def test_a_datagram_without_an_answer_is_delivered(ours: Host) -> None:
    receiver = _datagrams(ours.server)
    told = await ours.trace(
        Target("pod default/server", SERVER, 9000, "udp", endpoints=(Endpoint(SERVER, 9000, "here", "default/server", True),))
    )
    next(receiver)
    assert told.outcome == "delivered"


def _datagrams(server: Namespace) -> Iterator[None]:
    """Somebody who takes datagrams on port 9000 and says nothing, until the second step."""
    from pilothouse.linux.netns import run_at

    taken = run_at(server.path, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    taken.bind(("0.0.0.0", 9000))

    def close() -> Iterator[None]:
        taken.close()
        yield

    return close()


async def test_one_packet_at_a_time_and_only_of_pods_that_are_here(ours: Host) -> None:
    gate = threading.Event()

    async def namespace_of(asked: Sending) -> str:
        if asked.pod == "gone":
            raise NotFound('pod "gone" has no network of its own here')
        await asyncio.to_thread(gate.wait, 5)
        return ours.client.path

    tracing = Tracing(CONFIG, namespace_of)
    send = {"namespace": "default", "pod": "gone", "uid": "x", "destination": SERVER, "port": 80}
    body = {"protocol": "tcp", "sourcePort": 42001, "sources": [CLIENT], "seconds": 0.3, "send": send}
    with pytest.raises(NotFound):
        await tracing.begin(wanted(body))
    slow = asyncio.ensure_future(tracing.begin(wanted(body | {"send": send | {"pod": "client"}})))
    await asyncio.sleep(0.05)
    with pytest.raises(TooManyRequests):
        await tracing.begin(wanted(body))
    gate.set()
    await tracing.end(await slow)
    assert "trace" not in sh("nft", "list", "tables")
