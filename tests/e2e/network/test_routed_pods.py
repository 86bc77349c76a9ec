"""Routed pods on a real kernel, of both families: what a pod may send, what comes after an upgrade, a change, or somebody's hand."""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pilothouse.network.pod import PodNetwork, PodNetworkConfig
from pilothouse.network.pod.addresses import link_name
from pilothouse.network.pod.links import HOST_MAC
from tests.e2e.network.conftest import Namespace, sh
from tests.e2e.network.old_bridge import OldBridge
from tests.e2e.network.pods import Make, Runtime, fetch, pod_config, running, serving

pytestmark = pytest.mark.containers
V4, V6 = "10.244.7.0/24", "fd00:7::/64"
FIRST = {V4: "10.244.7.2", V6: "fd00:7::2"}
GATEWAY = {V4: "10.244.7.1", V6: "fd00:7::1"}


@contextlib.asynccontextmanager
async def a_node(config: PodNetworkConfig) -> AsyncIterator[tuple[PodNetwork, Runtime]]:
    network = PodNetwork(config)
    async with running(network):
        yield network, Runtime(network)
    await asyncio.to_thread(network.teardown)


def url(address: str, port: int = 80) -> str:
    return f"http://{f'[{address}]' if ':' in address else address}:{port}/"


def refused(address: str, source: Namespace) -> bool:
    return (
        subprocess.run(source.command("curl", "-s", "--max-time", "1", url(address)), check=False, stdout=subprocess.DEVNULL).returncode
        != 0
    )


@contextlib.contextmanager
def uplink(make: Make) -> Iterator[Namespace]:
    """A machine that is no node, in reach of the host, and knows nothing of pods. 192.0.2.2 and 2001:db8::2."""
    outside = make()
    sh("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1", "netns", str(outside.process.pid))
    for run, link, number in ((sh, "up0", 1), (outside.run, "up1", 2)):
        run("ip", "address", "add", f"192.0.2.{number}/24", "dev", link)
        run("ip", "address", "add", f"2001:db8::{number}/64", "dev", link, "nodad")
        run("ip", "link", "set", link, "up")
    yield outside


@pytest.mark.parametrize("cidrs", [(V4,), (V6,), (V4, V6), (V6, V4)], ids=["ipv4", "ipv6", "ipv4+ipv6", "ipv6+ipv4"])
async def test_pods_have_and_reach_addresses_of_the_families_that_were_asked_for(
    host: None, namespace: Make, tmp_path: Path, cidrs: tuple[str, ...]
) -> None:
    """The host, each other, a machine outside under the host's address; and are reached by a port of the host."""
    async with a_node(pod_config(tmp_path, pod_cidrs=cidrs)) as (_, runtime):
        pod, other = namespace(), namespace()
        ports = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
        addresses = await runtime.add_all("one", pod, portMappings=ports)
        await runtime.add_all("two", other)
        assert addresses == tuple(FIRST[cidr] for cidr in cidrs)
        with uplink(namespace) as outside, serving(pod, "one"), serving(outside, "outside"), serving(other, "two"):
            for cidr in (V4, V6):
                beyond, here = ("2001:db8::2", "2001:db8::1") if cidr == V6 else ("192.0.2.2", "192.0.2.1")
                if cidr not in cidrs:
                    assert refused(beyond, pod)
                    continue
                mine, second = FIRST[cidr], FIRST[cidr].removesuffix("2") + "3"
                assert fetch(url(mine)) == f"one {GATEWAY[cidr]}"
                assert fetch(url(mine), other) == f"one {second}"
                assert fetch(url(second), pod) == f"two {mine}"
                assert fetch(url(mine), pod) == f"one {mine}"
                assert fetch(url(beyond), pod) == f"outside {here}", "masqueraded"
                assert fetch(url(here, 8080), outside) == f"one {beyond}"
                assert fetch(url(GATEWAY[cidr], 8080), other) == f"one {second}"
                assert fetch(url(GATEWAY[cidr], 8080), pod) == f"one {GATEWAY[cidr]}", "to itself by the host's port"
            if V4 in cidrs:
                assert fetch(url("127.0.0.1", 8080)) == "one 10.244.7.1"
                server = await asyncio.start_server(lambda _reader, writer: writer.close(), "10.244.7.1", 8081)
                async with server:
                    connect = "import socket; socket.create_connection(('169.254.1.1', 8081), 2)"
                    await asyncio.to_thread(other.run, "python3", "-c", connect)  # the default gateway is the host


SPOOF6 = """
import socket, struct, sys
mac, source, destination, kind = sys.argv[1:]
raw = lambda text: bytes.fromhex(text.replace(":", ""))
inet6 = lambda text: socket.inet_pton(socket.AF_INET6, text)
def checked(next_header, body, at):
    pseudo = inet6(source) + inet6(destination) + struct.pack("!II", len(body), next_header)
    total = sum(struct.unpack(f"!{(len(pseudo + body)) // 2}H", pseudo + body))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return body[:at] + struct.pack("!H", ~total & 0xffff) + body[at + 2:]
if kind == "udp":
    next_header, body = 17, checked(17, struct.pack("!HHHH", 4000, 9999, 12, 0) + b"lies", 6)
else:  # an advertisement of a router, with a prefix to make addresses of
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 1800, 1800, 0) + inet6("2001:db8:bad::")
    next_header, body = 58, checked(58, struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix, 2)
packet = struct.pack("!IHBB", 6 << 28, len(body), next_header, 255) + inet6(source) + inet6(destination) + body
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind(("eth0", 0))
    out.send(raw(mac) + raw("0a:58:00:00:00:02") + b"\\x86\\xdd" + packet)
"""
HEAR = """
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 9999))
print("up", flush=True)
print(*s.recvfrom(99), flush=True)
"""


async def test_a_pod_sends_ipv6_under_its_own_address_alone(host: None, namespace: Make, tmp_path: Path) -> None:
    async with a_node(pod_config(tmp_path, pod_cidrs=(V4, V6))) as (_, runtime):
        liar, honest = namespace(), namespace()
        await runtime.add_all("liar", liar)
        await runtime.add_all("honest", honest)
        listener = subprocess.Popen(["python3", "-c", HEAR], stdout=subprocess.PIPE, text=True)
        assert listener.stdout is not None
        assert listener.stdout.readline() == "up\n"
        for source in ("fd00:7::3", "2001:db8::9", "fd00:7::1", "fe80::1", "fd00:7::2"):
            liar.run("python3", "-c", SPOOF6, HOST_MAC, source, "fd00:7::1", "udp")
        assert "fd00:7::2" in listener.stdout.readline(), "the first that is heard is the last one"
        listener.wait()
        listener.stdout.close()


async def test_no_pod_is_a_router_for_its_host(host: None, namespace: Make, tmp_path: Path) -> None:
    sh("sysctl", "-qw", "net.ipv6.conf.default.accept_ra=2")
    async with a_node(pod_config(tmp_path, pod_cidrs=(V6,))) as (_, runtime):
        pod = namespace()
        await runtime.add("one", pod)
        pod.run("python3", "-c", SPOOF6, "33:33:00:00:00:01", "fe80::858:ff:fe00:2", "ff02::1", "router")
        sh("nft", "flush", "ruleset")
        pod.run("python3", "-c", SPOOF6, "33:33:00:00:00:01", "fe80::858:ff:fe00:2", "ff02::1", "router")
        await asyncio.sleep(0.2)
        assert "default" not in sh("ip", "-6", "route")
        assert "2001:db8:bad" not in sh("ip", "-6", "address")


async def test_a_pod_without_ipv6_addresses_says_nothing_by_ipv6(host: None, namespace: Make, tmp_path: Path) -> None:
    async with a_node(pod_config(tmp_path)) as (_, runtime):
        pod = namespace()
        await runtime.add("one", pod)
        sh("ip", "address", "add", "2001:db8::1/128", "dev", "pht0", "nodad")
        listener = subprocess.Popen(["python3", "-c", HEAR], stdout=subprocess.PIPE, text=True)
        assert listener.stdout is not None
        assert listener.stdout.readline() == "up\n"
        for source in ("2001:db8::2", "fe80::858:ff:fe00:2"):
            pod.run("python3", "-c", SPOOF6, HOST_MAC, source, "2001:db8::1", "udp")
        with pytest.raises(subprocess.TimeoutExpired):
            listener.wait(0.3)
        listener.kill()
        listener.wait()
        listener.stdout.close()


async def test_a_host_that_listens_to_routers_goes_on_doing_so(host: None, namespace: Make, tmp_path: Path) -> None:
    with uplink(namespace):
        accept, forward = (Path("/proc/sys/net/ipv6/conf") / name for name in ("up0/accept_ra", "all/forwarding"))
        assert (accept.read_text(), forward.read_text()) == ("1\n", "0\n")
        async with a_node(pod_config(tmp_path, pod_cidrs=(V4, V6))):
            assert (accept.read_text(), forward.read_text()) == ("2\n", "1\n")
        assert (accept.read_text(), forward.read_text()) == ("1\n", "0\n")


async def test_an_address_without_pod_is_refused_at_once(host: None, namespace: Make, tmp_path: Path) -> None:
    async with a_node(pod_config(tmp_path, pod_cidrs=(V4, V6))) as (_, runtime):
        pod = namespace()
        await runtime.add("one", pod)
        for address in ("10.244.7.99", "fd00:7::99"):
            done = subprocess.run(pod.command("curl", "-sS", "--max-time", "2", url(address)), check=False, capture_output=True, text=True)
            assert done.returncode == 7, "no time-out"


ECHO = """
import socket, sys, threading
def serve(c):
    while d := c.recv(99): c.sendall(d)
s = socket.create_server((sys.argv[1], 7))
print("up", flush=True)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""
ASK = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], 7))
print("up", flush=True)
worst = 0
for line in sys.stdin:
    end = time.monotonic() + float(line)
    while time.monotonic() < end:
        began = time.monotonic(); s.sendall(b"x"); s.recv(9); worst = max(worst, time.monotonic() - began); time.sleep(0.001)
    print(round(worst, 3), flush=True)
"""


class Talk:
    """A connection that stays open: asks and gets answers, as long as it is told to."""

    def __init__(self, source: list[str], address: str) -> None:
        self._process = subprocess.Popen(
            [*source, "python3", "-c", ASK, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self._read() == "up\n"

    def go_on(self, seconds: float) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")

    def worst_s(self) -> float:
        return float(self._read())

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextlib.contextmanager
def echo(pod: Namespace, address: str) -> Iterator[None]:
    process = subprocess.Popen(pod.command("python3", "-c", ECHO, address), stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def inside(pod: Namespace) -> list[str]:
    return [pod.run("ip", "-o", *words.split()) for words in ("link show eth0", "-4 address show eth0", "route")]


async def test_pods_of_a_bridge_go_on_untouched_when_the_version_comes_that_routes(host: None, namespace: Make, tmp_path: Path) -> None:
    """Open connections between two of them and from the host, new ones between old and new pods, and what they may send."""
    config = pod_config(tmp_path)
    old = OldBridge(config)
    old.make()
    first, second = namespace(), namespace()
    old.join("first", first, "10.244.7.2")
    old.join("second", second, "10.244.7.3")
    talks: list[Talk] = []
    with echo(second, "10.244.7.3"), serving(first, "first"):
        try:
            talks = [Talk(first.command(), "10.244.7.3"), Talk([], "10.244.7.3")]
            before = inside(first)
            for talk in talks:
                talk.go_on(2.0)
            network = PodNetwork(config)
            async with running(network):
                assert [await asyncio.to_thread(talk.worst_s) < 0.5 for talk in talks] == [True, True], "seconds without answer"
                links = json.loads(sh("ip", "-json", "link"))
                assert [link["ifname"] for link in links if "master" in link] == []
                assert inside(first) == before
                assert "10.244.7.0/24 dev pht0" not in sh("ip", "route")
                assert "bridge" not in sh("nft", "list", "tables")
                runtime = Runtime(network)
                new = namespace()
                assert await runtime.add("new", new) == "10.244.7.4"
                with serving(new, "new"):
                    assert fetch("http://10.244.7.4/", first) == "new 10.244.7.2"
                    assert fetch("http://10.244.7.2/", new) == "first 10.244.7.4"
                    assert fetch("http://10.244.7.2/", second) == "first 10.244.7.3"
                    assert fetch("http://10.244.7.2/") == "first 10.244.7.1"
                first.run("ip", "neigh", "flush", "dev", "eth0")
                assert fetch("http://10.244.7.4/", second, expect=7) == "", "nobody serves there now"
                assert fetch("http://10.244.7.2/", second) == "first 10.244.7.3", "who asks for the gateway is answered"
                first.run("ip", "address", "add", "10.244.7.77/32", "dev", "eth0")
                lying = first.command("curl", "-s", "--max-time", "1", "--interface", "10.244.7.77", "http://10.244.7.4/")
                assert subprocess.run(lying, check=False, stdout=subprocess.DEVNULL).returncode == 28
                for talk in talks:
                    talk.go_on(0.1)
                assert [await asyncio.to_thread(talk.worst_s) < 0.5 for talk in talks] == [True, True]
            again = PodNetwork(config)
            async with running(again):
                assert (await Runtime(again).call("CHECK", "first", first.path))[0] == 0
                assert (await Runtime(again).call("DEL", "first", first.path))[0] == 0
            await asyncio.to_thread(again.teardown)
        finally:
            for talk in talks:
                talk.end()


async def test_what_somebody_has_taken_away_comes_back(host: None, namespace: Make, tmp_path: Path) -> None:
    """The device, with which the kernel drops the routes to pods; and routes alone."""
    async with a_node(pod_config(tmp_path, pod_cidrs=(V4, V6), reached=("10.96.0.0/16", "fd00:96::/112"))) as (network, runtime):
        pod = namespace()
        await runtime.add("one", pod)

        def routes() -> str:
            addresses = sh("ip", "-brief", "address", "show", "pht0", "scope", "global")
            return "\n".join(sorted(sh("ip", "-4", "route").splitlines() + sh("ip", "-6", "route").splitlines())) + addresses

        before = routes()
        assert "10.244.7.2 dev ph" in before
        await asyncio.to_thread(network.inspect)
        assert routes() == before
        for words in ("link delete pht0", "-4 route flush proto 116", "-6 route flush proto 116"):
            sh("ip", *words.split())
            await asyncio.to_thread(network.inspect)
            assert routes() == before, words
            with serving(pod, "one"):
                assert fetch("http://10.244.7.2/") == "one 10.244.7.1"
                assert fetch("http://[fd00:7::2]/") == "one fd00:7::1"


async def test_a_changed_mtu_reaches_the_pods_that_are_there(host: None, namespace: Make, tmp_path: Path) -> None:
    pod, other = namespace(), namespace()
    kept = tmp_path / "a container's runtime" / "netns"
    kept.parent.mkdir()
    kept.touch()
    sh("mount", "--bind", pod.path, str(kept))  # as a container runtime does, where it likes

    def mtus() -> set[int]:
        near = link_name("pht", "one", "eth0")
        found = json.loads(sh("ip", "-json", "link", "show", near)) + json.loads(pod.run("ip", "-json", "link", "show", "eth0"))
        return {link["mtu"] for link in found}

    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        await Runtime(network).add("one", pod)
        await Runtime(network).add("two", other)
        assert mtus() == {1500}
    talk = None
    try:
        with echo(other, "10.244.7.3"):
            talk = Talk(pod.command(), "10.244.7.3")
            for mtu in (1400, 9000, 1450):
                network = PodNetwork(pod_config(tmp_path, mtu=mtu))
                talk.go_on(0.3)
                async with running(network):
                    assert await asyncio.to_thread(talk.worst_s) < 0.3
                    assert mtus() == {mtu}
    finally:
        if talk is not None:
            talk.end()
        sh("umount", str(kept))
    await asyncio.to_thread(network.teardown)
