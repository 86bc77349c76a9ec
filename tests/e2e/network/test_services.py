"""Services on a real kernel: pods behind the real pod network, rules from the real proxy, an API of objects in memory."""

import asyncio
import contextlib
import re
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.linux import conntrack
from pilothouse.linux.nft import LibraryNft, Nft, NftFailure, ProcessNft
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, SERVICES
from pilothouse.network.pod import PodNetwork
from pilothouse.network.service import ServiceProxy, ServiceProxyConfig
from pilothouse.network.service.affinity import MOST_CLIENTS
from pilothouse.network.service.kernel import missing
from pilothouse.network.service.leaving import ANSWERED_WITHIN_S
from tests.e2e.network.conftest import Namespace, sh
from tests.e2e.network.pods import Make, Runtime, fetch, pod_config, running, serving
from tests.network.cluster import FakeCluster, endpoint, endpoint_slice, service

pytestmark = pytest.mark.containers
GOLDEN = Path(__file__).parents[2] / "golden" / "services"
PORT: Object = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}
OFFERED: Object = {"name": "http", "protocol": "TCP", "port": 80}
COULD_NOT_CONNECT = 7
CONFIG = ServiceProxyConfig(instance="pht", node="here", local_cidrs=("10.244.7.0/24",), service_cidrs=("10.96.0.0/12",))


@dataclass
class Node:
    """Two pods that answer with their names, a third that asks, a cluster to declare services in."""

    cluster: FakeCluster
    proxy: ServiceProxy
    barrier: EndpointBarrier
    one: Namespace
    two: Namespace
    asking: Namespace
    addresses: list[str]

    async def declare(self, *addresses: str, **spec: Any) -> None:
        await self.cluster.put(SERVICES, service("web", PORT | spec.pop("port", {}), **spec))
        await self.route(*addresses)

    async def route(self, *addresses: str) -> None:
        """Tell the cluster that these are the endpoints, and wait until the proxy has said that it routes to them."""
        await self.cluster.put(ENDPOINTSLICES, endpoint_slice("web", [OFFERED], *map(endpoint, addresses)))
        await self.applied(lambda: self.routed() == set(addresses))

    def routed(self) -> set[str]:
        return {address for address in self.addresses if self.barrier.routed_by(address)}

    async def applied(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(25):
            while not holds():
                await asyncio.sleep(0.001)


def connect(url: str, source: Namespace | None) -> int:
    """Exit status of curl."""
    command = ["curl", "--silent", "--max-time", "5", url]
    return subprocess.run(source.command(*command) if source else command, check=False, stdout=subprocess.DEVNULL).returncode


@contextlib.asynccontextmanager
async def node(namespace: Make, tmp_path: Path, config: ServiceProxyConfig = CONFIG) -> AsyncIterator[Node]:
    cluster, barrier = FakeCluster(), EndpointBarrier()
    network = PodNetwork(pod_config(tmp_path, reached=("10.96.0.0/12",)))
    informers = cluster.informers()
    proxy = ServiceProxy(informers, barrier, config)
    pods = [namespace() for _ in range(3)]
    async with running(network), running(informers), running(proxy):
        runtime = Runtime(network)
        addresses = [await runtime.add(f"c{number}", pod) for number, pod in enumerate(pods)]
        with serving(pods[0], "one"), serving(pods[1], "two"):
            yield Node(cluster, proxy, barrier, pods[0], pods[1], pods[2], addresses)
    await asyncio.to_thread(proxy.teardown)
    await asyncio.to_thread(network.teardown)
    assert sh("nft", "list", "ruleset") == ""


async def test_a_cluster_address_answers_pods_and_the_host(host: None, namespace: Make, tmp_path: Path) -> None:
    async with node(namespace, tmp_path) as here:
        await here.declare(*here.addresses[:2])
        assert {fetch("http://10.96.0.10/", here.asking) for _ in range(20)} == {f"one {here.addresses[2]}", f"two {here.addresses[2]}"}
        assert fetch("http://10.96.0.10/").split()[1] == "10.244.7.1"


@pytest.mark.parametrize("bridge_filter", ["0", "1"])
async def test_a_pod_reaches_itself_through_its_service(host: None, namespace: Make, tmp_path: Path, bridge_filter: str) -> None:
    # Of the test's own network namespace.
    switch = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if switch.exists():
        switch.write_text(bridge_filter)
    async with node(namespace, tmp_path) as here:
        await here.declare(here.addresses[0])
        assert fetch("http://10.96.0.10/", here.one) == "one 10.244.7.1"
        assert fetch("http://10.96.0.10/", here.two) == f"one {here.addresses[1]}"


async def test_a_node_port_answers_on_loopback_and_nowhere_else_unless_asked(host: None, namespace: Make, tmp_path: Path) -> None:
    async with node(namespace, tmp_path) as here:
        await here.declare(here.addresses[0], type="NodePort", port={"nodePort": 30080})
        assert fetch("http://127.0.0.1:30080/") == "one 10.244.7.1"
        assert sh("curl", "-s", "--max-time", "2", "http://10.244.7.1:30080/", check=False) == ""


async def test_a_node_port_answers_on_the_addresses_that_were_asked_for(host: None, namespace: Make, tmp_path: Path) -> None:
    config = ServiceProxyConfig(
        instance="pht", node="here", local_cidrs=("10.244.7.0/24",), node_port_addresses=("127.0.0.1", "10.244.7.1")
    )
    async with node(namespace, tmp_path, config) as here:
        await here.declare(here.addresses[0], type="NodePort", port={"nodePort": 30080})
        assert fetch("http://10.244.7.1:30080/", here.asking) == f"one {here.addresses[2]}"


async def test_what_nobody_serves_is_refused_at_once(host: None, namespace: Make, tmp_path: Path) -> None:
    async with node(namespace, tmp_path) as here:
        await here.declare()
        for url in ("http://10.96.0.10/", "http://10.96.0.10:81/", "http://10.96.0.99/"):
            for source in (None, here.asking):
                began = time.monotonic()
                assert connect(url, source) == COULD_NOT_CONNECT
                assert time.monotonic() - began < 1


async def test_a_client_with_affinity_stays_with_its_endpoint_until_that_goes(host: None, namespace: Make, tmp_path: Path) -> None:
    async with node(namespace, tmp_path) as here:
        await here.declare(*here.addresses[:2], sessionAffinity="ClientIP")
        answers = {fetch("http://10.96.0.10/", here.asking).split()[0] for _ in range(10)}
        assert len(answers) == 1
        left = {"one": here.addresses[1], "two": here.addresses[0]}[answers.pop()]
        await here.route(left)
        other = {here.addresses[0]: "one", here.addresses[1]: "two"}[left]
        assert {fetch("http://10.96.0.10/", here.asking).split()[0] for _ in range(5)} == {other}


async def test_a_client_with_affinity_stays_while_others_come_and_go_and_is_led_anew_once_its_endpoint_has_left(
    host: None, namespace: Make, tmp_path: Path
) -> None:
    async with node(namespace, tmp_path) as here:
        one, two, three = here.addresses
        await here.declare(one, two, sessionAffinity="ClientIP", type="NodePort", port={"nodePort": 30080})
        with serving(here.asking, "three"):
            for url in ("http://10.96.0.10/", "http://127.0.0.1:30080/"):
                first = named(url)
                own, other = (one, two) if first == "one" else (two, one)
                for addresses in ([own], [own, three], [own, other, three], [other, three, own], [own, other]):
                    await here.route(*addresses)
                    assert named(url) == first
                await here.route(other, three)
                second = named(url)
                assert second != first
                await here.route(*here.addresses)
                assert named(url) == second, "an endpoint that is back has none of its clients"
                await here.route(one, two)


def named(url: str) -> str:
    """The one endpoint that answers each time."""
    (answer,) = {fetch(url).split()[0] for _ in range(12)}
    return answer


async def test_a_client_with_affinity_is_forgotten_after_the_time_that_its_service_says(
    host: None, namespace: Make, tmp_path: Path
) -> None:
    async with node(namespace, tmp_path) as here:
        affinity = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 1}}}
        await here.declare(*here.addresses[:2], **affinity)
        found = set()
        async with asyncio.timeout(40):
            while len(found) < 2:
                found |= {fetch("http://10.96.0.10/").split()[0]}
                await asyncio.sleep(1.1)


async def test_a_client_with_affinity_stays_with_its_endpoint_when_the_proxy_starts_again(
    host: None, namespace: Make, tmp_path: Path
) -> None:
    """With a time-out of an hour, of which the new table gives what is left."""
    affinity = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 3600}}}
    async with node(namespace, tmp_path) as here:
        await here.declare(*here.addresses[:2], **affinity)
        (first,) = {fetch("http://10.96.0.10/", here.asking) for _ in range(3)}
        for _ in range(5):
            informers = here.cluster.informers()
            again = ServiceProxy(informers, EndpointBarrier(), CONFIG)
            async with running(informers), running(again):
                assert fetch("http://10.96.0.10/", here.asking) == first
        listed = sh("nft", "list", "table", "ip", CONFIG.table)
        assert f"size {MOST_CLIENTS}" in listed
        assert re.search(rf"{here.addresses[2]} \. 10\.96\.0\.10 \. tcp \. 80 \. \S+ timeout 1h expires 59m", listed)


async def test_an_endpoint_that_was_told_to_go_gets_no_connection_after_the_barrier_opens(
    host: None, namespace: Make, tmp_path: Path
) -> None:
    async with node(namespace, tmp_path) as here:
        await here.declare(*here.addresses[:2])
        took_ms = []
        for _ in range(10):
            began = time.perf_counter()
            waiting = asyncio.ensure_future(here.barrier.released(here.addresses[0], 5))
            await here.cluster.put(ENDPOINTSLICES, endpoint_slice("web", [OFFERED], endpoint(here.addresses[1])))
            assert await waiting
            took_ms.append((time.perf_counter() - began) * 1000)
            assert {fetch("http://10.96.0.10/").split()[0] for _ in range(4)} == {"two"}
            await here.route(*here.addresses[:2])
        assert 1000 * ANSWERED_WITHIN_S <= min(took_ms) < 1000 * ANSWERED_WITHIN_S + 400


async def test_a_connection_that_an_endpoint_did_not_answer_before_it_left_is_answered_by_another(
    host: None, namespace: Make, tmp_path: Path
) -> None:
    async with node(namespace, tmp_path) as here:
        await here.declare(here.addresses[0])
        for command in (
            "add table ip deaf",
            "add chain ip deaf in { type filter hook input priority 0; }",
            "add rule ip deaf in counter drop",
        ):
            sh(*here.one.command("nft", command))
        for source in (None, here.asking):
            await here.route(here.addresses[0])
            heard = here.one.run("nft", "list", "table", "ip", "deaf")
            asking = asyncio.create_task(asyncio.to_thread(fetch, "http://10.96.0.10/", source))
            await here.applied(lambda heard=heard: here.one.run("nft", "list", "table", "ip", "deaf") != heard)  # type: ignore[misc]
            await here.route(here.addresses[1])
            assert (await asking).split()[0] == "two"


async def test_rules_that_someone_flushed_come_back_with_the_next_change(host: None, namespace: Make, tmp_path: Path) -> None:
    async with node(namespace, tmp_path) as here:
        await here.declare(*here.addresses[:2])
        sh("nft", "flush", "ruleset")
        await here.route(here.addresses[0])
        assert fetch("http://10.96.0.10/", here.asking).startswith("one")


async def test_a_chain_that_someone_flushed_or_a_rule_that_someone_deleted_is_back_within_seconds(
    host: None, namespace: Make, tmp_path: Path
) -> None:
    async with node(namespace, tmp_path) as here:
        await here.declare(*here.addresses[:2])
        table = sh("nft", "list", "table", "ip", CONFIG.table)
        for damage in ("flush chain ip {} pick-2", "flush chain ip {} leave", "delete rule ip {} pick-2 handle {}"):
            handle = re.search(r"numgen.*handle (\d+)", sh("nft", "-a", "list", "chain", "ip", CONFIG.table, "pick-2"))
            assert handle is not None
            sh("nft", *damage.format(CONFIG.table, handle[1]).split())
            assert sh("nft", "list", "table", "ip", CONFIG.table) != table
            async with asyncio.timeout(10):
                while sh("nft", "list", "table", "ip", CONFIG.table) != table:
                    await asyncio.sleep(0.1)


async def test_tables_of_others_may_change_without_the_own_ones_being_written_again(host: None, namespace: Make, tmp_path: Path) -> None:
    async with node(namespace, tmp_path) as here:
        await here.declare(*here.addresses[:2])
        sh("nft", "add", "rule", "ip", CONFIG.table, "pick-2", "counter")
        before = sh("nft", "-a", "list", "chain", "ip", CONFIG.table, "pick-2")
        for number in range(30):
            sh("nft", "add", "table", "ip", f"other{number}")
            await asyncio.sleep(0.1)
        assert sh("nft", "-a", "list", "chain", "ip", CONFIG.table, "pick-2") == before
        for number in range(30):
            sh("nft", "delete", "table", "ip", f"other{number}")


async def test_traffic_goes_on_while_the_proxy_is_away(host: None, namespace: Make, tmp_path: Path) -> None:
    async with node(namespace, tmp_path) as here:
        await here.declare(here.addresses[0])
        informers = here.cluster.informers()
        again = ServiceProxy(informers, EndpointBarrier(), CONFIG)
        async with running(informers), running(again):
            assert fetch("http://10.96.0.10/", here.asking).startswith("one")
        assert fetch("http://10.96.0.10/", here.asking).startswith("one")


@contextlib.asynccontextmanager
async def echoing(**pods: Namespace) -> AsyncIterator[None]:
    """A UDP server in each pod that answers with the pod's name."""
    program = "import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('',53)); print('up',flush=True)\n"
    program += "while True:\n    d,a=s.recvfrom(99); s.sendto(sys.argv[1].encode(),a)\n"
    async with contextlib.AsyncExitStack() as stack:
        for name, pod in pods.items():
            process = await asyncio.create_subprocess_exec(*pod.command("python3", "-c", program, name), stdout=asyncio.subprocess.PIPE)
            stack.push_async_callback(process.wait)
            stack.callback(process.kill)
            assert process.stdout is not None
            await process.stdout.readline()
        yield


class Client:
    """Sends from one port for ever, as long-lived UDP clients do."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("", 0))
        self.socket.settimeout(2)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, address: str, port: int) -> None:
        """What comes back for it, an error of ICMP too, is taken off by the next one."""
        with contextlib.suppress(OSError):
            self.socket.sendto(b"?", (address, port))

    def ask(self, address: str, port: int) -> bytes:
        self.socket.sendto(b"?", (address, port))
        return self.socket.recv(99)


UDP: Object = {"name": "", "protocol": "UDP", "port": 53}


async def route_udp(here: Node, address: str) -> None:
    await here.cluster.put(ENDPOINTSLICES, endpoint_slice("dns", [UDP], endpoint(address)))
    await here.applied(lambda: here.routed() == {address})


async def test_a_udp_client_with_a_fixed_port_moves_to_the_endpoint_that_is_left(host: None, namespace: Make, tmp_path: Path) -> None:
    async with node(namespace, tmp_path) as here, echoing(one=here.one, two=here.two):
        with Client() as client:
            await here.cluster.put(SERVICES, service("dns", UDP))
            await route_udp(here, here.addresses[0])
            assert await asyncio.to_thread(client.ask, "10.96.0.10", 53) == b"one"
            await route_udp(here, here.addresses[1])
            assert await asyncio.to_thread(client.ask, "10.96.0.10", 53) == b"two"


async def test_a_udp_client_that_sent_before_there_was_a_service_reaches_it(host: None, namespace: Make, tmp_path: Path) -> None:
    """By a node port: what nobody translates arrives at the host itself, and the flow would stay that way."""
    async with node(namespace, tmp_path) as here, echoing(one=here.one):
        with Client() as client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            deaf.bind(("127.0.0.1", 30053))
            client.send("127.0.0.1", 30053)
            await here.cluster.put(SERVICES, service("dns", UDP | {"nodePort": 30053}, type="NodePort"))
            await route_udp(here, here.addresses[0])
            assert await asyncio.to_thread(client.ask, "127.0.0.1", 30053) == b"one"


async def test_flows_that_could_not_be_ended_are_ended_later(
    host: None, namespace: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget, failed = conntrack.forget, 0

    def fails_twice(*arguments: Any, **more: Any) -> int:
        nonlocal failed
        failed += 1
        if failed <= 2:
            raise OSError(105, "No buffer space available")
        return forget(*arguments, **more)

    async with node(namespace, tmp_path) as here, echoing(one=here.one, two=here.two):
        with Client() as client:
            await here.cluster.put(SERVICES, service("dns", UDP))
            await route_udp(here, here.addresses[0])
            assert await asyncio.to_thread(client.ask, "10.96.0.10", 53) == b"one"
            monkeypatch.setattr(conntrack, "forget", fails_twice)
            await route_udp(here, here.addresses[1])
            async with asyncio.timeout(20):
                while await asyncio.to_thread(client.ask, "10.96.0.10", 53) != b"two":
                    await asyncio.sleep(0.05)
            assert failed == 3


@pytest.mark.parametrize("nft", [LibraryNft, ProcessNft])
def test_the_kernel_takes_every_golden_rule_set_and_gives_it_back(host: None, nft: Callable[[], Nft]) -> None:
    """Loaded twice: the second time replaces the first."""
    tool = nft()
    for path in sorted(GOLDEN.glob("*.nft")):
        tool.run(path.read_text())
        before = sh("nft", "list", "ruleset")
        tool.run(path.read_text())
        assert sh("nft", "list", "ruleset") == before


@pytest.mark.parametrize("nft", [LibraryNft, ProcessNft])
def test_a_refused_transaction_changes_nothing_and_is_quoted(host: None, nft: Callable[[], Nft]) -> None:
    with pytest.raises(NftFailure, match="No such file or directory"):
        nft().run("add table ip t\nadd rule ip t nowhere accept\n")
    assert sh("nft", "list", "ruleset") == ""


async def test_a_service_that_makes_no_sense_or_that_nftables_refuses_is_left_out_and_the_others_go_on(
    host: None, namespace: Make, tmp_path: Path
) -> None:
    async with node(namespace, tmp_path) as here:
        await here.cluster.put(SERVICES, service("senseless", PORT, clusterIP="10.96.0.300"))
        await here.cluster.put(SERVICES, service("refused", PORT | {"port": 99999}, clusterIP="10.96.0.77"))
        await here.declare(*here.addresses[:2], clusterIP="10.96.0.20")
        assert connect("http://10.96.0.20", here.asking) == 0
        await here.cluster.put(SERVICES, service("refused", PORT, clusterIP="10.96.0.77"))
        await here.cluster.put(ENDPOINTSLICES, endpoint_slice("refused", [OFFERED], endpoint(here.addresses[0])))
        await until_connected("http://10.96.0.77", here.asking)


async def until_connected(url: str, source: Namespace) -> None:
    async with asyncio.timeout(25):
        while connect(url, source):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("nft", [LibraryNft, ProcessNft])
def test_the_probe_finds_nothing_missing_here_and_leaves_nothing(host: None, nft: Callable[[], Nft]) -> None:
    assert missing(nft(), "pht-probe") == ""
    assert sh("nft", "list", "ruleset") == ""
