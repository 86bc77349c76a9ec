"""What the pod network does around the kernel when a pod is held back until it may send."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pilothouse.client.node_conditions import NodeConditions
from pilothouse.network.pod import PodNetwork, PodNetworkConfig, host_ports, kernel, links, nft, rules
from pilothouse.network.pod.addresses import Lease
from pilothouse.network.pod.cni import NO_ADDRESS, TRY_AGAIN, PortMapping
from pilothouse.network.pod.network import Admitted
from tests.network.pod.test_cni import request

PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}


class Machine:
    """The kernel's links and host ports. is_busy: no port can be closed."""

    def __init__(self) -> None:
        self.links: set[str] = set()
        self.ports: dict[PortMapping, str] = {}
        self.is_busy = False

    def attach(self, lease: Lease, netns: str, config: PodNetworkConfig, mtu: int) -> str:
        self.links.add(lease.link)
        return "0a:00:00:00:00:01"

    def open_ports(self, table: str, address: str, ports: Sequence[PortMapping]) -> str:
        if any(self.ports.get(port, address) != address for port in ports):
            raise kernel.NetworkFailure("File exists")
        self.ports |= dict.fromkeys(ports, address)
        return ""

    def close_ports(self, table: str, address: str, ports: Sequence[PortMapping]) -> str:
        if self.is_busy:
            raise kernel.NetworkFailure("nft has not answered within 20 s")
        for port in ports:
            del self.ports[port]
        return ""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    for name in ("open_ports", "close_ports"):
        monkeypatch.setattr(rules, name, getattr(made, name))
    monkeypatch.setattr(nft, "apply", lambda commands: None)
    monkeypatch.setattr(links, "attach", made.attach)
    monkeypatch.setattr(links, "remove", made.links.discard)
    monkeypatch.setattr(links, "has", made.links.__contains__)
    monkeypatch.setattr(host_ports, "end_flows", lambda *args, **options: None)
    return made


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


Asking = Callable[..., Awaitable[tuple[int, Any]]]


def network_with(
    admitted: Admitted,
    threads: ThreadPoolExecutor,
    tmp_path: Path,
    cidrs: tuple[str, ...] = ("10.244.7.0/24",),
    conditions: NodeConditions | None = None,
) -> Asking:
    config = PodNetworkConfig(
        instance="t", pod_cidrs=cidrs, device="b", socket=tmp_path / "s", conf_dir=tmp_path / "c", bin_dir=tmp_path / "b"
    )
    return asking(PodNetwork(config, admitted=admitted, conditions=conditions), threads)


def asking(network: PodNetwork, threads: ThreadPoolExecutor) -> Asking:
    async def ask(command: str, container: str, **runtime: object) -> tuple[int, Any]:
        arguments = f"K8S_POD_NAMESPACE=default;K8S_POD_NAME={container};K8S_POD_UID=u-{container}"
        return await network._answer(threads, request(command, container=container, arguments=arguments, runtimeConfig=runtime))

    return ask


async def test_a_pod_that_is_not_admitted_leaves_no_port_of_the_host_open(
    machine: Machine, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    asked: list[tuple[str, ...]] = []

    async def admitted(*facts: str) -> None:
        asked.append(facts)
        if len(asked) == 1:
            raise OSError("not in force yet")

    ask = network_with(admitted, threads, tmp_path)
    status, answer = await ask("ADD", "one", **PORTS)
    assert (status, answer["msg"]) == (1, "pod default/one: not in force yet")
    assert (machine.links, machine.ports) == (set(), {})
    status, answer = await ask("ADD", "two", **PORTS)
    assert status == 0
    assert list(machine.ports.values()) == ["10.244.7.3"]
    assert asked == [("default/one", "u-one", "10.244.7.2"), ("default/two", "u-two", "10.244.7.3")]


async def test_pods_that_are_held_back_hold_up_no_other_request(machine: Machine, threads: ThreadPoolExecutor, tmp_path: Path) -> None:
    let_go = asyncio.Event()

    async def admitted(pod: str, uid: str, *addresses: str) -> None:
        await let_go.wait()

    ask = network_with(admitted, threads, tmp_path)
    async with asyncio.timeout(10):
        held = [asyncio.ensure_future(ask("ADD", f"c{number}")) for number in range(4)]
        while len(machine.links) < len(held):
            await asyncio.sleep(0.01)
        assert (await ask("CHECK", "c0"))[0] == 0
        assert (await ask("DEL", "other"))[0] == 0
        let_go.set()
        assert [status for status, _ in await asyncio.gather(*held)] == [0] * 4


async def test_a_pod_that_is_deleted_while_it_is_held_back_gets_no_ports(
    machine: Machine, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    let_go = asyncio.Event()

    async def admitted(pod: str, uid: str, *addresses: str) -> None:
        await let_go.wait()

    ask = network_with(admitted, threads, tmp_path)
    async with asyncio.timeout(10):
        held = asyncio.ensure_future(ask("ADD", "one", **PORTS))
        while not machine.links:
            await asyncio.sleep(0.01)
        await ask("DEL", "one")
        let_go.set()
        status, answer = await held
    assert (status, answer["msg"]) == (1, "pod default/one: deleted while it was being added")
    assert machine.ports == {}


async def test_a_node_says_when_its_addresses_run_short(machine: Machine, threads: ThreadPoolExecutor, tmp_path: Path) -> None:
    said: list[tuple[str, bool, str, str]] = []

    class Conditions(NodeConditions):
        def set(self, type: str, is_true: bool, reason: str, message: str) -> None:
            said.append((type, is_true, reason, message))

    async def admitted(pod: str, uid: str, *addresses: str) -> None: ...

    ask = network_with(admitted, threads, tmp_path, ("10.244.7.0/30",), Conditions("here"))
    assert (await ask("ADD", "one"))[0] == 0
    status, answer = await ask("ADD", "two")
    assert (status, answer["code"]) == (1, 100)
    sentence = "all 1 IPv4 pod addresses of this node are in use (range 10.244.7.0/30)"
    assert answer["msg"] == f"{sentence}: pods that end give theirs back"
    assert said[-1] == ("PodAddressPressure", True, "NoPodAddressLeft", sentence)
    await ask("DEL", "one")
    machine.links.clear()
    assert (await ask("ADD", "two"))[0] == 0


async def test_a_host_port_of_a_family_that_pods_do_not_have_is_refused(
    machine: Machine, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    async def admitted(pod: str, uid: str, *addresses: str) -> None: ...

    port = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "fd00::1"}
    status, answer = await network_with(admitted, threads, tmp_path)("ADD", "one", portMappings=[port])
    assert (status, machine.links) == (1, set())
    assert answer["msg"] == "pod default/one: hostPort 8080 at fd00::1 leads into no pod: pods have IPv4 addresses alone"
    status, _ = await network_with(admitted, threads, tmp_path, ("10.244.7.0/24", "fd00:7::/64"))("ADD", "two", portMappings=[port])
    assert (status, list(machine.ports.values())) == (0, ["fd00:7::2"])


def network_of_one_pod(tmp_path: Path) -> PodNetwork:
    files = {name: tmp_path / name for name in ("socket", "conf_dir", "bin_dir")}
    return PodNetwork(PodNetworkConfig(instance="t", pod_cidrs=("10.244.7.0/30",), device="b", **files))


async def test_an_address_to_which_a_port_leads_is_nobody_elses_until_it_is_closed(
    machine: Machine, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    ask = asking(network_of_one_pod(tmp_path), threads)
    assert (await ask("ADD", "first", **PORTS))[0] == 0
    machine.is_busy = True
    status, answer = await ask("DEL", "first")
    assert (status, answer["code"]) == (1, TRY_AGAIN)
    machine.links.clear()
    status, answer = await ask("ADD", "second")
    assert (status, answer["code"]) == (1, NO_ADDRESS)
    machine.is_busy = False
    assert (await ask("DEL", "first"))[0] == 0
    assert not machine.ports
    assert (await ask("ADD", "second"))[0] == 0


async def test_a_port_that_could_not_be_closed_is_closed_later_although_nobody_asks_again(
    machine: Machine, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    network = network_of_one_pod(tmp_path)
    ask = asking(network, threads)
    await ask("ADD", "first", **PORTS)
    machine.is_busy = True
    await ask("DEL", "first")
    machine.links.clear()
    network.collect([], now=0.0)
    assert machine.ports
    machine.is_busy = False
    network.collect([], now=60.0)
    assert not machine.ports
    assert (await ask("ADD", "second"))[0] == 0


async def test_a_port_that_an_earlier_process_left_open_does_not_lead_to_a_new_pod(
    machine: Machine, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    network = network_of_one_pod(tmp_path)
    left = PortMapping("tcp", 8080, 80)
    network._ports._open["10.244.7.2"] = (left,)
    machine.ports[left] = "10.244.7.2"
    assert (await asking(network, threads)("ADD", "second"))[0] == 0
    assert not machine.ports
