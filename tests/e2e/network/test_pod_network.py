"""The pod network on a real kernel: requests go through the installed plug-in script, packets through real links."""

import asyncio
import json
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from pilothouse.linux.nft_written import WrittenRules
from pilothouse.model.pod_links import is_pod_link
from pilothouse.network.pod import PodNetwork, host_ports, kernel
from pilothouse.network.pod.addresses import link_name
from pilothouse.network.pod.family import mac_of
from pilothouse.network.pod.links import HOST_MAC, has
from tests.e2e.network.conftest import Namespace, sh
from tests.e2e.network.pods import Make, Runtime, fetch, pod_config, running, serving

pytestmark = pytest.mark.containers
GOLDEN = Path(__file__).parents[2] / "golden" / "pods"
HALF_CLOSED = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait")


async def test_a_pod_reaches_the_host_the_other_pods_and_itself(host: None, namespace: Make, tmp_path: Path) -> None:
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        runtime = Runtime(network)
        first, second = namespace(), namespace()
        address, other = await runtime.add("one", first), await runtime.add("two", second)
        assert [address, other] == ["10.244.7.2", "10.244.7.3"]
        with serving(second, "two"), serving(first, "one"):
            assert fetch(f"http://{other}/") == "two 10.244.7.1"
            assert fetch(f"http://{other}/", first) == f"two {address}"
            assert fetch(f"http://{address}/", first) == f"one {address}"
            assert fetch("http://127.0.0.1/", first) == "one 127.0.0.1"
    await asyncio.to_thread(network.teardown)


async def test_a_host_port_leads_into_the_pod_until_the_pod_goes(host: None, namespace: Make, tmp_path: Path) -> None:
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        runtime = Runtime(network)
        pod, other = namespace(), namespace()
        await runtime.add("one", pod, portMappings=[{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}])
        await runtime.add("two", other)
        with serving(pod, "one"):
            assert fetch("http://127.0.0.1:8080/").startswith("one")
            assert fetch("http://10.244.7.1:8080/", other) == "one 10.244.7.3"
            assert fetch("http://10.244.7.1:8080/", pod) == "one 10.244.7.1"
            assert (await runtime.call("DEL", "one", pod.path))[0] == 0
            assert sh("curl", "-s", "--max-time", "2", "http://127.0.0.1:8080/", check=False) == ""
    await asyncio.to_thread(network.teardown)


async def test_udp_flows_follow_a_host_port_from_pod_to_pod(host: None, namespace: Make, tmp_path: Path) -> None:
    """A client that goes on sending from the same port, before the first pod, to it, to its successor, and after that."""
    echo = "import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('',53)); print('up',flush=True)\n"
    echo += "while True:\n    d,a=s.recvfrom(99); s.sendto(sys.argv[1].encode(),a)\n"
    mapping = [{"hostPort": 5353, "containerPort": 53, "protocol": "udp"}]
    network = PodNetwork(pod_config(tmp_path))
    servers = []
    async with running(network):
        runtime = Runtime(network)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            client.settimeout(2)
            client.bind(("127.0.0.1", 0))
            deaf.bind(("127.0.0.1", 5353))
            client.sendto(b"?", ("127.0.0.1", 5353))
            for name in ("one", "two"):
                pod = namespace()
                await runtime.add(name, pod, portMappings=mapping)
                servers.append(subprocess.Popen(pod.command("python3", "-c", echo, name), stdout=subprocess.PIPE))
                said = servers[-1].stdout
                assert said is not None
                assert said.readline() == b"up\n"
                client.sendto(b"?", ("127.0.0.1", 5353))
                assert client.recv(99) == name.encode()
                assert (await runtime.call("DEL", name, pod.path))[0] == 0
            deaf.settimeout(2)
            assert deaf.recv(99) == b"?", "from before the first pod"
            client.sendto(b"nobody's", ("127.0.0.1", 5353))
            assert deaf.recv(99) == b"nobody's", "the pod is there still, but its port is closed"
    for server in servers:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()
    await asyncio.to_thread(network.teardown)


async def test_flows_of_a_host_port_that_could_not_be_ended_are_ended_with_the_next_inspection(
    host: None, namespace: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def end_flows(address: str, ports: object, *, are_open: bool) -> None:
        asked.append(are_open)
        if len(asked) == 2:
            raise OSError(105, "No buffer space available")

    monkeypatch.setattr(host_ports, "end_flows", end_flows)
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        pod = namespace()
        runtime = Runtime(network)
        await runtime.add("one", pod, portMappings=[{"hostPort": 5353, "containerPort": 53, "protocol": "udp"}])
        assert (await runtime.call("DEL", "one", pod.path))[0] == 0
        for _ in range(2):
            await asyncio.to_thread(network.inspect)
    assert asked == [True, False, False]
    await asyncio.to_thread(network.teardown)


async def test_a_restart_finds_every_pod_again(host: None, namespace: Make, tmp_path: Path) -> None:
    pods = [namespace() for _ in range(3)]
    network = PodNetwork(pod_config(tmp_path))
    runtime = Runtime(network)
    async with running(network):
        addresses = [await runtime.add(f"c{number}", pod) for number, pod in enumerate(pods)]
    async with running(PodNetwork(pod_config(tmp_path))):
        assert await runtime.add("more", namespace()) not in addresses
        assert (await runtime.call("CHECK", "c1", pods[1].path))[0] == 0
        assert await runtime.add("c1", pods[1]) == addresses[1]
    await asyncio.to_thread(network.teardown)


async def test_an_address_is_free_once_the_namespace_has_ended(host: None, namespace: Make, tmp_path: Path) -> None:
    """The CIDR holds one pod."""
    network = PodNetwork(pod_config(tmp_path, pod_cidrs=("10.244.9.0/30",)))
    async with running(network):
        runtime = Runtime(network)
        pod = namespace()
        assert await runtime.add("one", pod) == "10.244.9.2"
        status, answer = await runtime.call("ADD", "two", namespace().path)
        assert (status, answer["code"]) == (1, 100)
        assert (await runtime.call("DEL", "one", pod.path))[0] == 0
        status, answer = await runtime.call("ADD", "two", namespace().path)
        assert status == 1, "the first pod's link still has the address"
        pod.end()
        async with asyncio.timeout(25):
            while (await runtime.call("ADD", "two", (fresh := namespace()).path))[0]:
                fresh.end()
    await asyncio.to_thread(network.teardown)


async def test_a_failed_request_leaves_nothing_behind(host: None, namespace: Make, tmp_path: Path) -> None:
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        runtime = Runtime(network)
        status, answer = await runtime.call("ADD", "one", "/run/netns/not-there")
        assert (status, answer["code"]) == (1, 3)
        assert answer["msg"] == "pod default/web: network namespace /run/netns/not-there is not there"
        assert (await runtime.call("DEL", "never-seen"))[0] == 0
        assert await runtime.add("two", namespace()) == "10.244.7.3"
        assert pod_links() == [link_of("two")]
    await asyncio.to_thread(network.teardown)


async def test_the_plugin_says_that_pilothouse_is_not_running(host: None, tmp_path: Path) -> None:
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        runtime = Runtime(network)
    status, answer = await runtime.call("ADD", "one", "/proc/self/ns/net")
    assert status == 1
    assert answer["code"] == 11
    assert "not running" in str(answer["msg"])
    await asyncio.to_thread(network.teardown)


async def test_half_closed_connections_are_known_for_an_hour(host: None, tmp_path: Path) -> None:
    sh("nft", "add table ip t; add chain ip t c; add rule ip t c ct state new")
    before = HALF_CLOSED.read_text()
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        assert int(HALF_CLOSED.read_text()) == 3600
    await asyncio.to_thread(network.teardown)
    assert HALF_CLOSED.read_text() == before


async def test_teardown_leaves_no_link_rule_setting_or_file(host: None, namespace: Make, tmp_path: Path) -> None:
    def seen() -> list[str]:
        forward = Path("/proc/sys/net/ipv4/ip_forward").read_text()
        return [
            sh("ip", "-o", "link"),
            sh("ip", "route"),
            sh("nft", "list", "ruleset"),
            forward,
            *[str(path) for path in tmp_path.rglob("*") if path.is_file()],
        ]

    before = seen()
    network = PodNetwork(pod_config(tmp_path, reached=("10.96.0.0/12",)))
    async with running(network):
        await Runtime(network).add("one", namespace())
        assert "10.96.0.0/12 dev pht0" in sh("ip", "route")
    await asyncio.to_thread(network.teardown)
    assert seen() == before
    assert not has("pht0")


async def test_a_pod_cannot_reach_the_loopback_interface_of_the_host(host: None, namespace: Make, tmp_path: Path) -> None:
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        pod = namespace()
        await Runtime(network).add("one", pod)
        pod.run("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1", "net.ipv4.conf.eth0.route_localnet=1")
        pod.run("ip", "route", "replace", "127.0.0.9/32", "via", "169.254.1.1", "dev", "eth0", "src", "10.244.7.2")
        pod.run("ip", "rule", "add", "pref", "0", "to", "127.0.0.9", "lookup", "main")
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.9", 8081)
        async with server:
            done = await asyncio.to_thread(sh, *pod.command("curl", "-sv", "--max-time", "1", "http://127.0.0.9:8081/"), check=False)
            assert done == ""
    await asyncio.to_thread(network.teardown)


@pytest.mark.parametrize("damage", ["flush ruleset", "flush chain ip {} leave", "flush chain ip {} guard"])
async def test_rules_and_host_ports_that_someone_flushed_come_back(host: None, namespace: Make, tmp_path: Path, damage: str) -> None:
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        pod = namespace()
        await Runtime(network).add("one", pod, portMappings=[{"hostPort": 8080, "containerPort": 80}])
        before = sh("nft", "list", "ruleset")
        sh("nft", *damage.format(network.config.table).split())
        assert sh("nft", "list", "ruleset") != before
        await asyncio.to_thread(network.inspect)
        assert sh("nft", "list", "ruleset") == before
    await asyncio.to_thread(network.teardown)


@pytest.mark.parametrize("program", ["iptables-nft", "iptables-legacy"])
async def test_pods_pass_through_a_firewall_that_drops_what_is_forwarded(host: None, namespace: Make, tmp_path: Path, program: str) -> None:
    """As Docker and ufw leave a machine."""
    if subprocess.run([program, "-P", "FORWARD", "DROP"], check=False, capture_output=True).returncode:
        pytest.skip(f"{program} does not work here")
    sh(program, "-P", "INPUT", "DROP")
    before = sh(program, "-S")
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        first, second = namespace(), namespace()
        runtime = Runtime(network)
        await runtime.add("one", first)
        address = await runtime.add("two", second)
        with serving(second, "two"):
            assert fetch(f"http://{address}/", first) == "two 10.244.7.2"
            assert fetch(f"http://{address}/") == "two 10.244.7.1"
        await asyncio.to_thread(kernel.apply_rules, network.config, WrittenRules())
        assert sh(program, "-S").count("ACCEPT") == 3 + before.count("ACCEPT"), "once each"
        sh(program, "-I", "FORWARD", "-i", "pht0", "-m", "comment", "--comment", network.config.table, "-j", "ACCEPT")
        await asyncio.to_thread(kernel.apply_rules, network.config, WrittenRules())
        assert sh(program, "-S").count("ACCEPT") == 3 + before.count("ACCEPT"), "an earlier version's rule is gone"
    await asyncio.to_thread(network.teardown)
    assert sh(program, "-S") == before


def pod_links() -> list[str]:
    """The host's ends of pods' links."""
    return [link["ifname"] for link in json.loads(sh("ip", "-json", "link")) if is_pod_link(link["ifname"])]


def load(name: str) -> str:
    """A golden file's commands; what the kernel has then."""
    sh("nft", "-f", str(GOLDEN / f"{name}.nft"))
    return sh("nft", "list", "ruleset")


def test_the_kernel_takes_the_golden_rule_sets_and_comes_back_to_where_it_was(host: None) -> None:
    for table, version in (("table", ""), ("table-without-fib", ""), ("table6", "6")):
        before = load(table)
        opened = load(f"open-ports{version}")
        assert load(table) == opened, "the ports of running pods stay"
        assert load(f"close-ports{version}") == before
        assert load(f"close-ports{version}") == before, "once more is no error"
    assert "iifgroup" in load("table6-without-addresses")


async def test_what_no_sandbox_has_any_more_is_collected(host: None, namespace: Make, tmp_path: Path) -> None:
    """Its DEL never came. The next network finds the lease in the kernel, and gives back its address, link and ports."""
    gone, there = namespace(), namespace()
    network = PodNetwork(pod_config(tmp_path, pod_cidrs=("10.244.9.0/29",)))
    async with running(network):
        address = await Runtime(network).add("gone", gone, portMappings=[{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}])
        kept = await Runtime(network).add("there", there)
    network = PodNetwork(pod_config(tmp_path, pod_cidrs=("10.244.9.0/29",)))
    async with running(network):
        for now in (0.0, 60.0):
            await asyncio.to_thread(network.collect, {"there"}, now)
        assert f"8080 : {address} . 80" in sh("nft", "list", "ruleset")
        await asyncio.to_thread(network.collect, {"there"}, 200.0)
        assert "8080" not in sh("nft", "list", "ruleset")
        assert pod_links() == [link_of("there")]
        runtime = Runtime(network)
        more = [await runtime.add(f"more{number}", namespace()) for number in range(4)]
        assert address in more
        assert kept not in more
    await asyncio.to_thread(network.teardown)


async def test_ports_whose_link_has_gone_with_its_namespace_are_closed(host: None, namespace: Make, tmp_path: Path) -> None:
    gone = namespace()
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        await Runtime(network).add("gone", gone, portMappings=[{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}])
    gone.end()
    async with asyncio.timeout(5):
        while pod_links():
            await asyncio.sleep(0.02)
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        assert "8080" in sh("nft", "list", "ruleset")
        await asyncio.to_thread(network.collect, set(), 0.0)
        assert "8080" not in sh("nft", "list", "ruleset")
    await asyncio.to_thread(network.teardown)


SPOOF = """
import socket, struct, sys
link, mac, gateway_mac, source, destination, port, text = sys.argv[1:]
payload = text.encode()
udp = struct.pack("!HHHH", 4000, int(port), 8 + len(payload), 0) + payload
head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(destination))
total = sum(struct.unpack("!10H", head))
total = (total & 0xFFFF) + (total >> 16)
head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
raw = lambda text: bytes.fromhex(text.replace(":", ""))
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind((link, 0))
    out.send(raw(gateway_mac) + raw(mac) + b"\\x08\\x00" + head + udp)
"""
"""A packet as a pod with NET_RAW can make it: any hardware address, any source."""


class Neighbours:
    """Two pods, and the host between them."""

    def __init__(self, liar: Namespace, honest: Namespace, liars: str, honests: str, gateway: str) -> None:
        self.liar = liar
        self.honest = honest
        self.liars = liars
        self.honests = honests
        self.gateway = gateway

    async def heard_by_the_host(self, *packets: tuple[str, str]) -> list[tuple[str, str]]:
        """The liar sends packets (hardware address, source address) to the host; what arrives, up to a last honest one."""
        arrived: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

        class Listener(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                arrived.put_nowait((data.decode(), addr[0]))

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Listener, local_addr=(self.gateway, 9999))
        try:
            for number, (mac, source) in enumerate((*packets, (mac_of(self.liars), self.liars))):
                words = ("eth0", mac, HOST_MAC, source, self.gateway, "9999", str(number))
                await asyncio.to_thread(self.liar.run, "python3", "-c", SPOOF, *words)
            heard = []
            async with asyncio.timeout(5):
                while not heard or heard[-1] != (str(len(packets)), self.liars):
                    heard.append(await arrived.get())
            return heard[:-1]
        finally:
            transport.close()

    def goes_past_the_host(self) -> bool:
        """The liar sends frames straight to the neighbour's hardware address."""
        self.liar.run("ip", "neigh", "replace", self.honests, "lladdr", mac_of(self.honests), "dev", "eth0")
        self.liar.run("ip", "route", "replace", f"{self.honests}/32", "dev", "eth0")
        self.honest.run("ip", "neigh", "replace", self.liars, "lladdr", mac_of(self.liars), "dev", "eth0")
        self.honest.run("ip", "route", "replace", f"{self.liars}/32", "dev", "eth0")
        done = self.liar.run("ping", "-c1", "-W1", self.honests, check=False) if shutil.which("ping") else ""
        return "1 received" in done or fetches(f"http://{self.honests}/", self.liar)


def fetches(url: str, source: Namespace) -> bool:
    return subprocess.run(source.command("curl", "-s", "--max-time", "2", url), check=False, stdout=subprocess.DEVNULL).returncode == 0


async def neighbours(runtime: Runtime, namespace: Make) -> Neighbours:
    liar, honest = namespace(), namespace()
    addresses = await runtime.add("liar", liar), await runtime.add("honest", honest)
    return Neighbours(liar, honest, *addresses, runtime.config.gateway)


async def test_a_pod_that_lies_about_its_addresses_is_not_heard(host: None, namespace: Make, tmp_path: Path) -> None:
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        pods = await neighbours(Runtime(network), namespace)
        own = mac_of(pods.liars)
        assert await pods.heard_by_the_host((own, pods.honests), (own, "192.0.2.1"), (own, pods.gateway), (own, "169.254.1.1")) == []
    await asyncio.to_thread(network.teardown)


async def test_a_lie_is_not_heard_while_someone_has_flushed_the_tables(host: None, namespace: Make, tmp_path: Path) -> None:
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        pods = await neighbours(Runtime(network), namespace)
        sh("nft", "flush", "ruleset")
        own = mac_of(pods.liars)
        assert await pods.heard_by_the_host((own, pods.honests), (own, "192.0.2.1")) == []
        assert sh("nft", "list", "ruleset") == "", "it was not put back meanwhile"
    await asyncio.to_thread(network.teardown)


async def test_a_pod_does_not_reach_a_neighbour_past_the_host(host: None, namespace: Make, tmp_path: Path) -> None:
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        pods = await neighbours(Runtime(network), namespace)
        with serving(pods.honest, "honest"):
            assert fetch(f"http://{pods.honests}/", pods.liar) == f"honest {pods.liars}", "by way of the host"
            assert not await asyncio.to_thread(pods.goes_past_the_host)
    await asyncio.to_thread(network.teardown)


async def test_a_pod_cannot_answer_for_its_neighbour(host: None, namespace: Make, tmp_path: Path) -> None:
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        pods = await neighbours(Runtime(network), namespace)
        with serving(pods.honest, "honest"):
            pods.liar.run("ip", "address", "add", f"{pods.honests}/32", "dev", "eth0")
            lie = "import socket; s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW); s.bind(('eth0',0)); s.send(bytes.fromhex('{}'))"
            own = mac_of(pods.liars).replace(":", "")
            arp = f"ffffffffffff{own}08060001080006040001{own}{packed(pods.honests)}{'0' * 12}{packed(pods.honests)}"
            pods.liar.run("python3", "-c", lie.format(arp))
            assert {fetch(f"http://{pods.honests}/") for _ in range(3)} == {f"honest {pods.gateway}"}
    await asyncio.to_thread(network.teardown)


def packed(address: str) -> str:
    return socket.inet_aton(address).hex()


def link_of(container: str) -> str:
    return link_name("pht", container, "eth0")
