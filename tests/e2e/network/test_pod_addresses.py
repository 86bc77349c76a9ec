"""Addresses of pods that come and go, many of them and beside a process that is killed: none is lost, none is given twice."""

import asyncio
import ctypes
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pilothouse.model.pod_links import is_pod_link
from pilothouse.network.pod import PodNetwork
from tests.e2e.network.conftest import sh
from tests.e2e.network.pods import Make, Runtime, pod_config, running

pytestmark = pytest.mark.containers
PODS, AT_ONCE = 1000, 20
CIDRS = ("10.244.7.0/26", "fd00:7::/64")
_libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def namespaces(host: None) -> Iterator["Namespaces"]:
    made = Namespaces()
    yield made
    made.end()


class Namespaces:
    """Without a process each, since there are to be many."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def make(self) -> int:
        """A descriptor; the namespace ends with it."""
        found: list[int] = []

        def enter() -> None:
            assert _libc.unshare(0x40000000) == 0
            found.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        self._open.add(found[0])
        return found[0]

    def close(self, namespace: int) -> None:
        self._open.discard(namespace)
        os.close(namespace)

    def end(self) -> None:
        for namespace in list(self._open):
            self.close(namespace)


def request(command: str, container: str, namespace: int) -> bytes:
    ports = [{"hostPort": 20000 + int(container), "containerPort": 80, "protocol": "tcp"}] if int(container) % 50 == 0 else []
    header = "\n".join(
        (command, container, f"/proc/{os.getpid()}/fd/{namespace}", "eth0", f"K8S_POD_NAMESPACE=x;K8S_POD_NAME=p{container}")
    )
    return f"{header}\n{json.dumps({'cniVersion': '1.0.0', 'runtimeConfig': {'portMappings': ports}})}".encode()


def links() -> list[str]:
    return [link["ifname"] for link in json.loads(sh("ip", "-json", "link")) if is_pod_link(link["ifname"])]


async def test_a_thousand_pods_come_and_go_through_sixty_addresses(namespaces: Namespaces, tmp_path: Path) -> None:
    """Twenty at a time, so that an address is given sixteen times; some with ports of the host. The agent starts anew in between."""
    numbers = iter(range(PODS))
    given: dict[str, str] = {}

    async def lives(network: PodNetwork, threads: ThreadPoolExecutor, number: int) -> None:
        namespace = await asyncio.to_thread(namespaces.make)
        for _ in range(200):
            status, answer = await network._answer(threads, request("ADD", str(number), namespace))
            if status == 0:
                break
            assert "are in use" in answer["msg"], answer
            await asyncio.sleep(0.05)  # the kernel ends namespaces behind our back
        addresses = [each["address"] for each in answer["ips"]]
        assert not given.keys() & set(addresses), "a living pod has it"
        given.update(dict.fromkeys(addresses, str(number)))
        assert (await network._answer(threads, request("DEL", str(number), namespace)))[0] == 0
        for address in addresses:
            del given[address]
        namespaces.close(namespace)

    async def worker(network: PodNetwork, threads: ThreadPoolExecutor, until: int) -> None:
        for number in numbers:
            await lives(network, threads, number)
            if number >= until:
                return

    for until in (PODS // 2, PODS):
        network = PodNetwork(pod_config(tmp_path, pod_cidrs=CIDRS))
        with ThreadPoolExecutor(4) as threads:
            async with running(network), asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(worker(network, threads, until))
    async with asyncio.timeout(20):
        while links():
            await asyncio.sleep(0.05)
    network = PodNetwork(pod_config(tmp_path, pod_cidrs=CIDRS))
    async with running(network):
        await asyncio.to_thread(network.collect, set(), 0.0)
        assert [(family.left, family.size) for family in network._pool.families] == [(61, 61), (2**64 - 2, 2**64 - 2)]
        assert ": 10.244" not in sh("nft", "list", "ruleset")
        assert [line for line in sh("ip", "route").splitlines() if line.startswith("10.244.7.")] == []
    await asyncio.to_thread(network.teardown)


KILLED = """
import os, signal, sys
from pathlib import Path
from pilothouse.network.pod import links, netlink
from pilothouse.network.pod.addresses import AddressPool
from pilothouse.network.pod.config import PodNetworkConfig
here, last = Path(sys.argv[1]), int(sys.argv[3])
config = PodNetworkConfig(instance="pht", pod_cidrs=tuple(sys.argv[4:]), device="pht0", socket=here, conf_dir=here, bin_dir=here)
sent = 0
send = netlink.RouteSocket._try
def counted(self, messages):
    global sent
    for message in messages:
        refused = send(self, [message])
        sent += 1
        if sent == last:
            os.kill(os.getpid(), signal.SIGKILL)
        if refused:
            return refused
    return []
netlink.RouteSocket._try = counted
pool = AddressPool(config.pod_cidrs)
links.attach(pool.lease("pht", "killed", "eth0"), sys.argv[2], config, 1500)
print("came to its end")
"""
"""Makes a pod's link as an agent does, and is killed after so many messages to the kernel."""


async def test_an_agent_that_is_killed_at_any_step_of_joining_a_pod_leaves_nothing(host: None, namespace: Make, tmp_path: Path) -> None:
    """The next one gives the same pod its network, and takes it away, whatever the first had done of it."""
    async with running(PodNetwork(pod_config(tmp_path, pod_cidrs=CIDRS))):
        pass
    steps = 0
    while True:
        steps += 1
        pod = namespace()
        command = [sys.executable, "-c", KILLED, str(tmp_path), pod.path, str(steps), *CIDRS]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -9), done.stderr
        if done.returncode == 0:
            break
        network = PodNetwork(pod_config(tmp_path, pod_cidrs=CIDRS))
        async with running(network):
            runtime = Runtime(network)
            if steps % 2:  # The runtime asks once more, or gives up.
                assert len(await runtime.add_all("killed", pod)) == 2
            assert (await runtime.call("DEL", "killed", pod.path))[0] == 0
            pod.end()
            async with asyncio.timeout(10):
                while links():
                    await asyncio.sleep(0.02)
            await asyncio.to_thread(network.collect, set(), 0.0)
            assert [family.size - family.left for family in network._pool.families] == [0, 0]
    assert steps > 10
    pod.end()
    await asyncio.to_thread(network.teardown)
