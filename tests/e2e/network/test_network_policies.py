"""NetworkPolicies on a real kernel: pods behind the real pod network that send real packets, an API of objects in memory."""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pilothouse.linux.nft import open_nft
from pilothouse.model.json import Object
from pilothouse.model.kinds import NAMESPACES, NETWORKPOLICIES, PODS
from pilothouse.network.pod import PodNetwork
from pilothouse.network.policy import Gate, NetworkPolicies, NetworkPolicyConfig
from pilothouse.network.policy.gate import NotAdmitted
from pilothouse.network.policy.kernel import is_enforced, missing
from tests.e2e.network.conftest import sh
from tests.e2e.network.pods import Make, Runtime, pod_config, running
from tests.e2e.network.speakers import Speaker, speak
from tests.network.cluster import FakeCluster
from tests.network.policy import random_policies
from tests.network.policy.judge import Pod, allows

pytestmark = pytest.mark.containers
CONFIG = NetworkPolicyConfig(
    instance="pht", node="here", dns_addresses=("10.244.7.1",), local_cidrs=("10.244.7.0/24",), cluster_cidrs=("10.244.0.0/16",)
)


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

    async def show(self, pod: Pod) -> None:
        await self.cluster.put(PODS, pod_object(pod))

    async def set(self, policy: Object) -> None:
        self.known[f"{policy['metadata']['namespace']}/{policy['metadata']['name']}"] = policy
        await self.cluster.put(NETWORKPOLICIES, policy)

    async def clear(self) -> None:
        for key in list(self.known):
            del self.known[key]
            await self.cluster.delete(NETWORKPOLICIES, *key.split("/"))

    async def settled(self) -> None:
        """Until the kernel has what was told."""
        async with asyncio.timeout(20):
            while await asyncio.to_thread(self._is_behind):
                await asyncio.sleep(0.01)

    def _is_behind(self) -> bool:
        here = self.policies
        told = {key for key, each in self.known.items() if (here._policies.get(key) or {}).get("spec") != each["spec"]}
        gone = set(here._policies.keys()) - set(self.known)
        unsynced = bool(self.known) and (here._watch is None or not here._watch.is_synced)
        return bool(told or gone or unsynced or here._told or here._is_writing or here._wake.is_set() or here._whole)

    async def check(self) -> None:
        """Every pair of pods, on every port, against what the specification says."""
        await self.settled()
        await asyncio.sleep(0.02)
        probes = [(pod.address, *port) for pod in self.pods for port in random_policies.PORTS]
        found = await asyncio.gather(*(asyncio.to_thread(speaker.reaches, probes) for speaker in self.speakers))
        for speaker, seen in zip(self.speakers, found, strict=True):
            wanted = [
                allows(self.known.values(), self.spaces, speaker.pod, target, *port)
                for target in self.pods
                for port in random_policies.PORTS
            ]
            wrong = [(probe, ok) for probe, ok, want in zip(probes, seen, wanted, strict=True) if ok != want]
            assert not wrong, (speaker.pod.key, wrong, list(self.known.values()), sh("nft", "list", "table", "inet", CONFIG.table))


def pod_object(pod: Pod) -> Object:
    ports = [{"name": name, "containerPort": number, "protocol": protocol.upper()} for protocol, name, number in pod.ports]
    metadata = {"name": pod.name, "namespace": pod.namespace, "labels": dict(pod.labels), "uid": pod.key}
    spec = {"nodeName": "here", "containers": [{"name": "c", "ports": ports}]}
    return {"metadata": metadata, "spec": spec, "status": {"podIP": pod.address, "phase": "Running"}}


def policy(name: str = "p", namespace: str = "x", **spec: Any) -> Object:
    types = [kind for kind in ("Ingress", "Egress") if kind.lower() in spec] or ["Ingress"]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"podSelector": {}, "policyTypes": types, **spec}}


@contextlib.asynccontextmanager
async def world(namespace: Make, tmp_path: Path) -> AsyncIterator[World]:
    cluster = FakeCluster()
    informers = cluster.informers()
    gate = Gate(partial(is_enforced, CONFIG))
    network = PodNetwork(pod_config(tmp_path), admitted=gate.admit)
    policies = NetworkPolicies(informers, CONFIG, gate)
    async with running(network), running(informers), running(policies):
        runtime, namespaces = Runtime(network), [namespace() for _ in range(6)]
        addresses = [await runtime.add(f"c{number}", each) for number, each in enumerate(namespaces)]
        speakers = [speak(each, pod) for each, pod in zip(namespaces, random_policies.pods(addresses), strict=True)]
        made = World(cluster, policies, speakers)
        for name in random_policies.SPACES:
            await made.space(name, {"ns": name})
        for pod in made.pods:
            await made.show(pod)
        try:
            yield made
        finally:
            for speaker in speakers:
                speaker.process.kill()
                speaker.process.communicate()
    await asyncio.to_thread(policies.teardown)
    await asyncio.to_thread(network.teardown)
    assert sh("nft", "list", "ruleset") == ""


async def test_a_kernel_that_has_what_is_needed_lacks_nothing(host: None) -> None:
    assert missing(open_nft(), CONFIG) == ""
    assert sh("nft", "list", "ruleset") == ""


async def test_packets_pass_as_random_policies_say(host: None, namespace: Make, tmp_path: Path) -> None:
    rng = Random(7)
    async with world(namespace, tmp_path) as here:
        addresses = [pod.address for pod in here.pods]
        await here.check()
        for _ in range(12):
            for name, labels in random_policies.spaces(rng).items():
                await here.space(name, labels)
            for number in range(rng.randrange(1, 5)):
                await here.set(random_policies.policy(rng, f"p{number}", addresses))
            await here.check()
            if rng.random() < 0.5:
                await here.clear()
                await here.check()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_packets_pass_as_two_hundred_random_policies_say(host: None, namespace: Make, tmp_path: Path) -> None:
    async with world(namespace, tmp_path) as here:
        addresses = [pod.address for pod in here.pods]
        for seed in range(200):
            await here.clear()
            await here.set(random_policies.policy(Random(seed), "p", addresses))
            await here.check()


async def test_the_host_reaches_its_pods_whatever_their_policies(host: None, namespace: Make, tmp_path: Path) -> None:
    async with world(namespace, tmp_path) as here:
        await here.set(policy(ingress=[]))
        await here.check()
        address = here.pods[0].address
        assert sh("python3", "-c", f"import socket; print(socket.create_connection(('{address}', 80), 2).recv(2).decode())") == "ok\n"


async def test_a_policy_ends_the_connections_that_it_forbids_and_no_others(host: None, namespace: Make, tmp_path: Path) -> None:
    async with world(namespace, tmp_path) as here:
        program = (
            "import socket,sys\n"
            f"s=socket.create_connection(('{here.pods[0].address}',80),2); s.settimeout(1); s.recv(2); print('up',flush=True)\n"
            "for line in sys.stdin:\n"
            "    try: s.send(b'x'); print(bool(s.recv(2)),flush=True)\n"
            "    except OSError: print(False,flush=True)\n"
        )
        pid = here.speakers[2].process.pid
        command = ["nsenter", f"--net=/proc/{pid}/ns/net", "python3", "-c", program]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
            assert held.stdin is not None
            assert held.stdout is not None

            def answers() -> bool:
                held.stdin.write("?\n")  # type: ignore[union-attr]
                held.stdin.flush()  # type: ignore[union-attr]
                return held.stdout.readline() == "True\n"  # type: ignore[union-attr]

            assert held.stdout.readline() == "up\n"
            await here.set(policy(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}]}]))
            await here.settled()
            assert await asyncio.to_thread(answers)
            await here.set(policy(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"ns": "z"}}}]}]))
            await here.settled()
            assert not await asyncio.to_thread(answers)
            held.kill()


async def test_a_new_pod_has_its_policy_before_its_first_packet(host: None, namespace: Make, tmp_path: Path) -> None:
    """Its object has no address yet when its network is asked for."""
    cluster = FakeCluster()
    informers, gate = cluster.informers(), Gate(partial(is_enforced, CONFIG))
    network = PodNetwork(pod_config(tmp_path), admitted=gate.admit)
    policies = NetworkPolicies(informers, CONFIG, gate)
    async with running(network), running(informers), running(policies):
        runtime = Runtime(network)
        await cluster.put(NAMESPACES, {"metadata": {"name": "default", "labels": {}}})
        await cluster.put(NETWORKPOLICIES, policy(namespace="default", ingress=[]))
        status, answer = await runtime.call("ADD", "early", namespace().path)
        assert (status, "not in force yet" in answer["msg"]) == (1, True)
        new = pod_object(Pod("web", "default", {}, "")) | {"status": {}}
        await cluster.put(PODS, new)
        address = await runtime.add("later", namespace())
        assert policies._state.world.chain_of(("ingress", address)) is not None
        assert address in sh("nft", "list", "map", "inet", CONFIG.table, "ingress")
    await asyncio.to_thread(policies.teardown)
    await asyncio.to_thread(network.teardown)


@pytest.mark.parametrize("flush", ["delete table", "flush table"])
async def test_a_table_that_somebody_has_flushed_comes_back(
    host: None, namespace: Make, tmp_path: Path, flush: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while pods come and go all the time."""
    monkeypatch.setattr("pilothouse.network.policy.component.INSPECT_S", 0.5)
    async with world(namespace, tmp_path) as here:
        await here.set(policy(ingress=[]))
        await here.check()
        sh("nft", *flush.split(), "inet", CONFIG.table)
        async with asyncio.timeout(10):
            while "vmap" not in sh("nft", "list", "chain", "inet", CONFIG.table, "entering", check=False) or not is_enforced(CONFIG):
                await here.show(Pod("busy", "z", {"n": str(asyncio.get_running_loop().time())}, "10.244.9.9"))
                await asyncio.sleep(0.05)
        await here.check()


@pytest.mark.parametrize("chain", ["refuse", "passed"])
async def test_a_chain_that_somebody_has_flushed_comes_back(
    host: None, namespace: Make, tmp_path: Path, chain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.network.policy.component.INSPECT_S", 0.5)
    async with world(namespace, tmp_path) as here:
        await here.set(policy(ingress=[]))
        await here.check()
        before = sh("nft", "list", "chain", "inet", CONFIG.table, chain)
        sh("nft", "flush", "chain", "inet", CONFIG.table, chain)
        async with asyncio.timeout(10):
            while sh("nft", "list", "chain", "inet", CONFIG.table, chain) != before:
                await asyncio.sleep(0.05)
        await here.check()


async def test_rules_outlive_the_process(host: None, namespace: Make, tmp_path: Path) -> None:
    cluster = FakeCluster()
    informers, gate = cluster.informers(), Gate(partial(is_enforced, CONFIG))
    policies = NetworkPolicies(informers, CONFIG, gate)
    await cluster.put(NAMESPACES, {"metadata": {"name": "x", "labels": {}}})
    await cluster.put(PODS, pod_object(Pod("a", "x", {}, "10.244.7.9")))
    await cluster.put(NETWORKPOLICIES, policy(ingress=[]))
    async with running(informers), running(policies), asyncio.timeout(10):
        while not is_enforced(CONFIG):
            await asyncio.sleep(0.01)
    assert is_enforced(CONFIG)
    with pytest.raises(NotAdmitted, match="not known yet"):
        await gate.admit("x/new", "", "10.244.7.10")
    await asyncio.to_thread(policies.teardown)
    assert not is_enforced(CONFIG)
    await gate.admit("x/new", "", "10.244.7.10")


async def test_a_pod_that_is_made_again_is_judged_by_its_own_object(host: None, tmp_path: Path) -> None:
    """The one before it had its name, and the news of its end comes late."""
    cluster = FakeCluster()
    informers, gate = cluster.informers(), Gate(partial(is_enforced, CONFIG))
    policies = NetworkPolicies(informers, CONFIG, gate)
    await cluster.put(NAMESPACES, {"metadata": {"name": "x", "labels": {}}})
    await cluster.put(NETWORKPOLICIES, policy(ingress=[]))
    old = pod_object(Pod("db-0", "x", {}, "10.244.7.9"))
    new = old | {"metadata": old["metadata"] | {"uid": "new"}, "status": {}}
    await cluster.put(PODS, old)
    async with running(informers), running(policies):
        admitted = asyncio.create_task(gate.admit("x/db-0", "new", "10.244.7.10"))
        await asyncio.sleep(0.2)
        assert not admitted.done()
        await cluster.delete(PODS, "x", "db-0")
        await cluster.put(PODS, new)
        await asyncio.wait_for(admitted, 5)
        assert "10.244.7.10" in sh("nft", "list", "map", "inet", CONFIG.table, "ingress")
    await asyncio.to_thread(policies.teardown)


async def test_changes_leave_the_table_that_a_new_start_would_write(host: None, namespace: Make, tmp_path: Path) -> None:
    rng = Random(3)
    async with world(namespace, tmp_path) as here:
        addresses = [pod.address for pod in here.pods]
        for number in range(15):
            await here.set(random_policies.policy(rng, f"p{number % 4}", addresses))
            await here.settled()
        before = _listed()
        here.policies._whole = True
        here.policies._wake.set()
        await here.settled()
        assert _listed() == before


def _listed() -> list[str]:
    """The table without counters, in an order of its own."""
    found = json.loads(sh("nft", "--json", "--stateless", "list", "table", "inet", CONFIG.table))["nftables"]
    plain = [
        json.loads(json.dumps(each), object_hook=lambda o: {k: v for k, v in o.items() if k not in ("handle", "packets", "bytes")})
        for each in found
    ]
    return sorted(json.dumps(_sorted(each), sort_keys=True) for each in plain)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sorted(map(str, each)) if key == "elem" else _sorted(each) for key, each in value.items()}
    return [_sorted(each) for each in value] if isinstance(value, list) else value
