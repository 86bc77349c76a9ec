"""What the pod network does around the kernel when a pod is held back until it may send."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pilothouse.network.pod import PodNetwork, PodNetworkConfig, kernel
from pilothouse.network.pod.addresses import Lease
from pilothouse.network.pod.cni import PortMapping
from tests.network.pod.test_cni import request

PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}


class Machine:
    """The kernel's links and host ports."""

    def __init__(self) -> None:
        self.links: set[str] = set()
        self.ports: dict[PortMapping, str] = {}

    def attach(self, lease: Lease, netns: str, **settings: object) -> str:
        self.links.add(lease.link)
        return "0a:00:00:00:00:01"

    def open_ports(self, config: PodNetworkConfig, address: str, ports: Sequence[PortMapping]) -> None:
        if any(self.ports.get(port, address) != address for port in ports):
            raise kernel.NetworkFailure("File exists")
        self.ports |= dict.fromkeys(ports, address)

    def close_ports(self, config: PodNetworkConfig, address: str, ports: Sequence[PortMapping]) -> None:
        for port in ports:
            del self.ports[port]


class Frames:
    isolated = True

    def admit(self, lease: Lease) -> None: ...

    def dismiss(self, lease: Lease) -> None: ...


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    for name in ("attach", "open_ports", "close_ports"):
        monkeypatch.setattr(kernel, name, getattr(made, name))
    monkeypatch.setattr(kernel, "remove_link", made.links.discard)
    monkeypatch.setattr(kernel, "has_link", made.links.__contains__)
    monkeypatch.setattr(kernel, "end_flows", lambda *args, **options: None)
    return made


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


Asking = Callable[..., Awaitable[tuple[int, Any]]]


def network_with(admitted: Callable[[str, str, str], Awaitable[None]], threads: ThreadPoolExecutor, tmp_path: Path) -> Asking:
    config = PodNetworkConfig(
        instance="t", pod_cidr="10.244.7.0/24", bridge="b", socket=tmp_path / "s", conf_dir=tmp_path / "c", bin_dir=tmp_path / "b"
    )
    network = PodNetwork(config, admitted=admitted)
    network._frames = Frames()  # type: ignore[assignment]

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

    async def admitted(pod: str, uid: str, address: str) -> None:
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

    async def admitted(pod: str, uid: str, address: str) -> None:
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
