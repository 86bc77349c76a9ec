"""Policies of all tiers with real packets between routed pods of IPv4, IPv6 and both: what passes, what ends, what is told of it."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import pytest

from pilothouse.cli.policy import arrival
from pilothouse.linux.nft import open_nft
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, NAMESPACES, NETWORKPOLICIES, NODES, PODS
from pilothouse.model.network_policies import CLUSTERNETWORKPOLICIES
from pilothouse.model.policy_refusals import REHEARSE
from pilothouse.network.policy import Gate, NetworkPolicies, NetworkPolicyConfig
from pilothouse.network.policy.judge import Packet, judge
from pilothouse.network.policy.kernel import can_reset, is_enforced
from tests.e2e.network import routed
from tests.e2e.network.conftest import Namespace, sh
from tests.e2e.network.pods import Make, running
from tests.e2e.network.speakers import Speaker, speak
from tests.network.cluster import FakeCluster
from tests.network.policy import random_policies
from tests.network.policy.judge import Pod, allows

pytestmark = pytest.mark.containers
FOUR, SIX = ("10.244.7.1", "10.244.7.0/24", "10.244.0.0/16"), ("fd00:244:7::1", "fd00:244:7::/64", "fd00:244::/48")


def config(*families: tuple[str, str, str]) -> NetworkPolicyConfig:
    dns, local, cluster = zip(*families, strict=True)
    return NetworkPolicyConfig(instance="pht", node="here", dns_addresses=dns, local_cidrs=local, cluster_cidrs=cluster)


ONE, OTHER, BOTH = config(FOUR), config(SIX), config(FOUR, SIX)


@dataclass
class World:
    cluster: FakeCluster
    policies: NetworkPolicies
    speakers: list[Speaker]
    spaces: dict[str, Mapping[str, str]] = field(default_factory=dict)
    known: dict[str, Object] = field(default_factory=dict)

    @property
    def pods(self) -> list[Pod]:
        return [speaker.pod for speaker in self.speakers]

    async def space(self, name: str, labels: Mapping[str, str]) -> None:
        self.spaces[name] = labels
        await self.cluster.put(NAMESPACES, {"metadata": {"name": name, "labels": dict(labels)}})

    async def set(self, policy: Object) -> None:
        self.known[meta.key(policy)] = policy
        await self.cluster.put(CLUSTERNETWORKPOLICIES if is_wide(policy) else NETWORKPOLICIES, policy)

    async def clear(self) -> None:
        for key, policy in list(self.known.items()):
            del self.known[key]
            kind = CLUSTERNETWORKPOLICIES if is_wide(policy) else NETWORKPOLICIES
            await self.cluster.delete(kind, meta.namespace(policy), meta.name(policy))

    async def settled(self) -> None:
        """Until the kernel has what was told."""
        async with asyncio.timeout(20):
            while self._is_behind():
                await asyncio.sleep(0.01)

    def _is_behind(self) -> bool:
        here = self.policies
        told = {key: (here._policy(key) or {}).get("spec") for key in self.known}
        unknown = [key for key, spec in told.items() if spec != self.known[key]["spec"]]
        gone = {*here._policies.keys(), *here._of_cluster._policies.keys()} - set(self.known)
        unsynced = bool(self.known) and (here._watch is None or not here._watch.is_synced)
        return bool(unknown or gone or unsynced or here._told or here._is_writing or here._wake.is_set() or here._whole)

    async def check(self) -> None:
        """Every pair of pods in each family, against the specification and the judge."""
        await self.settled()
        await asyncio.sleep(0.02)
        probes = [(address, *port) for pod in self.pods for address in pod.addresses for port in random_policies.PORTS]
        found = await asyncio.gather(*(asyncio.to_thread(speaker.reaches, probes) for speaker in self.speakers))
        for speaker, seen in zip(self.speakers, found, strict=True):
            wanted = [self._allows(speaker.pod, *probe) for probe in probes]
            wrong = [(probe, ok) for probe, ok, want in zip(probes, seen, wanted, strict=True) if ok != want]
            assert not wrong, (speaker.pod.key, wrong, list(self.known.values()), sh("nft", "list", "ruleset"))

    def _allows(self, source: Pod, address: str, protocol: str, port: int) -> bool:
        target = next(pod for pod in self.pods if address in pod.addresses)
        own = next(each for each in source.addresses if (":" in each) == (":" in address))
        policies = [each for each in self.known.values() if not is_wide(each)]
        wide = [each for each in self.known.values() if is_wide(each)]
        wanted = allows(policies, self.spaces, source.at(own), target.at(address), protocol, port, wide)
        assert judge(self.policies._state.world, self.policies.config, Packet(own, address, protocol, port)).passes == wanted
        return wanted

    async def events(self, reason: str, within_s: float = 5.0) -> list[Object]:
        """Those of the reason, once there are some."""
        async with asyncio.timeout(within_s):
            while not (found := [each for each in self.cluster.objects(EVENTS) if each["reason"] == reason]):
                await asyncio.sleep(0.05)
        return found


def is_wide(policy: Object) -> bool:
    return policy.get("kind") == "ClusterNetworkPolicy"


def pod_object(pod: Pod) -> Object:
    ports = [{"name": name, "containerPort": number, "protocol": protocol.upper()} for protocol, name, number in pod.ports]
    metadata = {"name": pod.name, "namespace": pod.namespace, "labels": dict(pod.labels), "uid": pod.key}
    spec = {"nodeName": "here", "containers": [{"name": "c", "ports": ports}]}
    status = {"podIP": pod.address, "podIPs": [{"ip": each} for each in pod.addresses], "phase": "Running"}
    return {"kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def policy(name: str = "p", namespace: str = "x", **spec: Any) -> Object:
    types = [kind for kind in ("Ingress", "Egress") if kind.lower() in spec] or ["Ingress"]
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    return {"kind": "NetworkPolicy", "metadata": metadata, "spec": {"podSelector": {}, "policyTypes": types, **spec}}


def wide(name: str, tier: str = "Admin", **spec: Any) -> Object:
    whole = {"tier": tier, "priority": 5, "subject": {"namespaces": {}}, **spec}
    return {"kind": "ClusterNetworkPolicy", "metadata": {"name": name, "uid": f"uid-{name}"}, "spec": whole}


@contextlib.asynccontextmanager
async def world(namespace: Make, of: NetworkPolicyConfig) -> AsyncIterator[World]:
    """Two pods in each of three namespaces."""
    routed.forward()
    # As on a node, whose translation of services has the kernel follow connections before there is any policy.
    sh("nft", "add table inet node; add chain inet node nat { type nat hook postrouting priority 100; }")
    sh("nft", "add rule inet node nat ct mark 1 masquerade")
    cluster = FakeCluster()
    informers = cluster.informers()
    policies = NetworkPolicies(informers, of, Gate(partial(is_enforced, of)))
    lists = [[f"{network.partition('/')[0].rstrip('0')}{number}" for number in range(2, 8)] for network in of.local_cidrs]
    joined = [routed.join(number, namespace(), each) for number, each in enumerate(zip(*lists, strict=True), start=1)]
    pods = random_policies.pods(lists[0], lists[1] if len(lists) > 1 else None)
    speakers = [speak(each.namespace, pod) for each, pod in zip(joined, pods, strict=True)]
    try:
        async with running(informers), running(policies):
            made = World(cluster, policies, speakers)
            for name in random_policies.SPACES:
                await made.space(name, {"ns": name})
            for pod in pods:
                await cluster.put(PODS, pod_object(pod))
            yield made
    finally:
        for speaker in speakers:
            speaker.process.kill()
            speaker.process.communicate()
    await asyncio.to_thread(policies.teardown)
    assert sh("nft", "list", "tables") == "table inet node\n"


@pytest.mark.parametrize(
    "of", [pytest.param(ONE, marks=pytest.mark.slow), pytest.param(OTHER, marks=pytest.mark.slow), BOTH], ids=["ipv4", "ipv6", "both"]
)
async def test_packets_pass_as_random_policies_of_all_tiers_say(host: None, namespace: Make, of: NetworkPolicyConfig) -> None:
    rng = Random(11)
    async with world(namespace, of) as here:
        known = [address for pod in here.pods for address in pod.addresses]
        await here.check()
        for _ in range(3):
            for name, labels in random_policies.spaces(rng).items():
                await here.space(name, labels)
            for number in range(2):
                await here.set(random_policies.policy(rng, f"p{number}", known))
                await here.set(random_policies.cluster_policy(rng, f"c{number}", known))
            await here.check()
        await here.clear()
        await here.check()


@pytest.mark.slow
async def test_what_is_tried_live_is_what_the_rules_say(host: None, namespace: Make) -> None:
    """As `ph policy test --live` sends and watches, on ports where nothing listens, too."""
    rng = Random(5)
    async with world(namespace, BOTH) as here:
        known = [address for pod in here.pods for address in pod.addresses]
        await here.set(random_policies.policy(rng, "p", known))
        await here.set(random_policies.cluster_policy(rng, "c", known))
        await here.set(policy("q", ingress=[{"ports": [{"port": 99, "protocol": "SCTP"}, {"port": 99, "protocol": "TCP"}]}]))
        await here.settled()
        places = await asyncio.to_thread(arrival.namespaces)
        tries = [(a, b, *port) for a in here.pods for b in here.pods[:2] for port in (("tcp", 99), ("udp", 80), ("sctp", 99), ("icmp", 0))]
        probes = [
            arrival.Probe(a.addresses[n], b.addresses[n], protocol, port, places[a.addresses[n]], places[b.addresses[n]])
            for a, b, protocol, port in tries
            for n in range(2)
            if a != b
        ]
        found = await asyncio.gather(*(asyncio.to_thread(arrival.arrives, probe) for probe in probes))
        wanted = [judge(here.policies._state.world, BOTH, Packet(p.source, p.target, p.protocol, p.port)).passes for p in probes]
        assert set(wanted) == {True, False}
        assert found == wanted, [(probe, ok) for probe, ok, want in zip(probes, found, wanted, strict=True) if ok != want]


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_packets_pass_as_two_hundred_random_policies_of_both_families_say(host: None, namespace: Make) -> None:
    """The judge, the specification and the kernel agree on each."""
    async with world(namespace, BOTH) as here:
        known = [address for pod in here.pods for address in pod.addresses]
        for seed in range(200):
            await here.clear()
            await here.set(random_policies.policy(Random(seed), "p", known))
            await here.set(random_policies.cluster_policy(Random(seed + 1000), "c", known))
            await here.check()


@pytest.mark.slow
@pytest.mark.parametrize("of", [ONE, OTHER], ids=["ipv4", "ipv6"])
async def test_a_policy_that_allows_nothing_stops_every_protocol(host: None, namespace: Make, of: NetworkPolicyConfig) -> None:
    async with world(namespace, of) as here:
        target, source = here.pods[0].address, here.speakers[2]
        probes = [(target, "icmp", 0), (target, "raw", 0), (target, "udp", 80)]
        await here.set(policy(ingress=[]))
        await here.settled()
        assert await asyncio.to_thread(source.reaches, probes) == [False] * 3
        await here.set(policy(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}]}]))
        await here.settled()
        assert await asyncio.to_thread(source.reaches, probes) == [True] * 3
        assert await asyncio.to_thread(here.speakers[4].reaches, probes) == [False] * 3


@contextlib.contextmanager
def connected(speaker: Speaker, address: str, program: str) -> Any:
    """A program in the speaker's pod that talks by lines."""
    command = ["nsenter", f"--net=/proc/{speaker.process.pid}/ns/net", "python3", "-c", program, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


LISTENS = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], 90), 2)
s.settimeout(3)
print(len(s.recv(4)), flush=True)
for line in sys.stdin:
    try:
        # Longer than what lies in the buffer lasts.
        end = time.monotonic() + 0.7
        while time.monotonic() < end:
            if not s.recv(1 << 20): raise OSError('closed')
        print('flows', flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""
PUSHES = """
import socket, sys, threading
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
s = socket.socket(family); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind((sys.argv[1], 90)); s.listen()
print('up', flush=True)
def push(c):
    try:
        while True: c.sendall(b'data' * 1000)
    except OSError as error:
        print(type(error).__name__, flush=True)
while True: threading.Thread(target=push, args=s.accept()[:1], daemon=True).start()
"""


@pytest.mark.slow
@pytest.mark.parametrize("of", [ONE, OTHER], ids=["ipv4", "ipv6"])
async def test_a_connection_that_only_the_server_speaks_on_ends_at_both_sides(host: None, namespace: Make, of: NetworkPolicyConfig) -> None:
    """The client sends nothing but acknowledgements; both hear of the end at once. One that is still allowed goes on."""
    async with world(namespace, of) as here:
        target = here.pods[0].address
        with connected(here.speakers[0], target, PUSHES) as server:
            assert server.stdout.readline() == "up\n"
            with connected(here.speakers[2], target, LISTENS) as y, connected(here.speakers[4], target, LISTENS) as z:

                def flows(client: "subprocess.Popen[str]") -> str:
                    assert client.stdin is not None
                    assert client.stdout is not None
                    client.stdin.write("?\n")
                    client.stdin.flush()
                    return client.stdout.readline().strip()

                assert y.stdout.readline() == z.stdout.readline() == "4\n"
                assert (flows(y), flows(z)) == ("flows", "flows")
                await here.set(policy(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"ns": "z"}}}]}]))
                await here.settled()
                ended = "ConnectionResetError" if can_reset(open_nft(), of) else "TimeoutError"
                assert await asyncio.to_thread(flows, y) == ended
                assert await asyncio.to_thread(flows, z) == "flows"
                if ended == "ConnectionResetError":
                    assert (await asyncio.to_thread(server.stdout.readline)).strip() in ("ConnectionResetError", "BrokenPipeError")
        await here.set(policy(ingress=[{}]))
        await here.settled()
        assert await asyncio.to_thread(here.speakers[2].reaches, [(target, "tcp", 80)]) == [True]


@pytest.mark.slow
async def test_what_is_dropped_is_told_to_its_policy_within_five_seconds(host: None, namespace: Make) -> None:
    async with world(namespace, BOTH) as here:
        await here.set(policy("deny", ingress=[]))
        rule = {"name": "no-81", "action": "Deny", "from": [{"namespaces": {"matchLabels": {"ns": "x"}}}]}
        rule["protocols"] = [{"tcp": {"destinationPort": {"number": 81}}}]
        await here.set(wide("c", subject={"namespaces": {"matchLabels": {"ns": "y"}}}, ingress=[rule]))
        await here.settled()
        x, y = here.pods[0], here.pods[2]
        asked = [(x.address, "tcp", 80), (x.other, "udp", 80), (x.address, "icmp", 0)]
        assert await asyncio.to_thread(here.speakers[2].reaches, asked) == [False] * 3
        assert await asyncio.to_thread(here.speakers[0].reaches, [(y.address, "tcp", 81)]) == [False]
        async with asyncio.timeout(5):
            while len(here.cluster.objects(EVENTS)) < 2:
                await asyncio.sleep(0.05)
        told = {each["involvedObject"]["name"]: each for each in await here.events("NetworkPolicyDropped")}
        message = told["deny"]["message"]
        for route in ("to x/a (tcp 80) from y/a", "to x/a (udp 80) from y/a", "to x/a (icmp) from y/a"):
            assert route in message, message
        assert told["deny"]["involvedObject"]["uid"] == "uid-deny"
        assert told["deny"]["count"] == 3
        assert told["c"]["message"] == "ingress: dropped 1 packet to y/a (tcp 81) from x/a in the last 1 s by rule no-81"


@pytest.mark.slow
async def test_a_rehearsal_drops_nothing_and_tells_what_it_would(host: None, namespace: Make) -> None:
    async with world(namespace, ONE) as here:
        rehearsed = policy("deny", ingress=[{"ports": [{"port": 81, "protocol": "TCP"}]}])
        rehearsed["metadata"]["annotations"] = {REHEARSE: "true"}
        await here.set(rehearsed)
        await here.settled()
        x = here.pods[0]
        asked = [(x.address, "tcp", 80), (x.address, "tcp", 81)]
        assert await asyncio.to_thread(here.speakers[2].reaches, asked) == [True, True]
        (told,) = await here.events("NetworkPolicyWouldDrop")
        assert "would have dropped" in told["message"]
        assert "(tcp 80)" in told["message"]
        assert "(tcp 81)" not in told["message"]
        assert told["type"] == "Normal"
        del rehearsed["metadata"]["annotations"]
        await here.set({**rehearsed, "metadata": {**rehearsed["metadata"]}})
        await asyncio.sleep(0.2)
        await here.settled()
        assert await asyncio.to_thread(here.speakers[2].reaches, asked) == [False, True]


@pytest.mark.slow
async def test_nodes_are_peers_by_the_addresses_that_they_show(host: None, namespace: Make) -> None:
    """Here the address of a pod stands for a node's."""
    async with world(namespace, ONE) as here:
        address = here.pods[5].address
        node = {"metadata": {"name": "n", "labels": {"kind": "far"}}, "status": {"addresses": [{"type": "InternalIP", "address": address}]}}
        await here.cluster.put(NODES, node)
        await here.set(wide("c", egress=[{"action": "Deny", "to": [{"nodes": {"matchLabels": {"kind": "far"}}}]}]))
        await here.settled()
        await asyncio.sleep(0.1)
        probes = [(address, "tcp", 80), (here.pods[4].address, "tcp", 80)]
        assert await asyncio.to_thread(here.speakers[0].reaches, probes) == [False, True]


@pytest.mark.slow
async def test_a_table_of_an_earlier_version_is_taken_over_in_one_step(host: None, namespace: Make) -> None:
    async with world(namespace, ONE) as here:
        old = f"ip {ONE.table}"
        sh(
            "nft",
            f"add table {old}; add map {old} ingress {{ type ipv4_addr : verdict; }}; add element {old} ingress {{ 10.244.7.2 : drop }}",
        )
        assert is_enforced(ONE)
        await here.set(policy(ingress=[]))
        await here.settled()
        assert old not in sh("nft", "list", "tables").splitlines()
        assert "vmap" in sh("nft", "list", "chain", "inet", ONE.table, "entering")


@pytest.mark.slow
async def test_neighbours_find_each_other_whatever_policies_say(host: None, namespace: Make) -> None:
    """A pod that may send nothing is asked for its link's address, and asks for that of its host."""
    async with world(namespace, OTHER) as here:
        await here.set(policy(egress=[], ingress=[]))
        await here.settled()
        pod, link = here.speakers[0], "pol1"
        sh("ip", "-6", "neigh", "del", here.pods[0].address, "dev", link)
        sh("ip", "-6", "addr", "add", "fd00:244:ff::1/128", "dev", "lo")
        assert (
            sh("python3", "-c", f"import socket; print(socket.create_connection(('{here.pods[0].address}', 80), 2).recv(2))") == "b'ok'\n"
        )
        inside = Namespace(pod.process)
        assert inside.run("ip", "-6", "neigh", "show", "dev", "eth0")
