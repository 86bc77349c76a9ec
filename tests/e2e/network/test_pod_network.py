"""The pod network on a real kernel: requests go through the installed plug-in script, packets through real links."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from pilothouse.network.pod import PodNetwork, kernel
from pilothouse.network.pod.kernel import has_link
from tests.e2e.network.conftest import sh
from tests.e2e.network.pods import Make, Runtime, fetch, pod_config, running, serving

pytestmark = pytest.mark.containers
GOLDEN = Path(__file__).parents[2] / "golden" / "pods"


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
    network = PodNetwork(pod_config(tmp_path, pod_cidr="10.244.9.0/30"))
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
        async with asyncio.timeout(5):
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
        assert sh("ip", "-o", "link", "show", "master", "pht0").count("\n") == 1
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
    assert not has_link("pht0")


async def test_a_pod_cannot_reach_the_loopback_interface_of_the_host(host: None, namespace: Make, tmp_path: Path) -> None:
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        pod = namespace()
        await Runtime(network).add("one", pod)
        pod.run("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1", "net.ipv4.conf.eth0.route_localnet=1")
        pod.run("ip", "route", "replace", "127.0.0.9/32", "via", "10.244.7.1", "dev", "eth0", "src", "10.244.7.2")
        pod.run("ip", "rule", "add", "pref", "0", "to", "127.0.0.9", "lookup", "main")
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.9", 8081)
        async with server:
            done = await asyncio.to_thread(sh, *pod.command("curl", "-sv", "--max-time", "1", "http://127.0.0.9:8081/"), check=False)
            assert done == ""
    await asyncio.to_thread(network.teardown)


async def test_rules_and_host_ports_that_someone_flushed_come_back(host: None, namespace: Make, tmp_path: Path) -> None:
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        pod = namespace()
        await Runtime(network).add("one", pod, portMappings=[{"hostPort": 8080, "containerPort": 80}])
        before = sh("nft", "list", "ruleset")
        sh("nft", "flush", "ruleset")
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
        await asyncio.to_thread(kernel.apply_rules, network.config)
        assert sh(program, "-S").count("ACCEPT") == 3 + before.count("ACCEPT"), "once each"
    await asyncio.to_thread(network.teardown)
    assert sh(program, "-S") == before


def test_the_kernel_takes_the_golden_rule_sets_and_comes_back_to_where_it_was(host: None) -> None:
    def load(name: str) -> str:
        sh("nft", "-f", str(GOLDEN / f"{name}.nft"))
        return sh("nft", "list", "ruleset")

    for table in ("table", "table-without-fib"):
        before = load(table)
        opened = load("open-ports")
        assert load(table) == opened, "the ports of running pods stay"
        assert load("close-ports") == before
        assert load("close-ports") == before, "once more is no error"


async def test_what_no_sandbox_has_any_more_is_collected(host: None, namespace: Make, tmp_path: Path) -> None:
    """Its DEL never came. The next network finds the lease in the kernel, and gives back its address, link and ports."""
    gone, there = namespace(), namespace()
    network = PodNetwork(pod_config(tmp_path, pod_cidr="10.244.9.0/29"))
    async with running(network):
        address = await Runtime(network).add("gone", gone, portMappings=[{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}])
        kept = await Runtime(network).add("there", there)
    network = PodNetwork(pod_config(tmp_path, pod_cidr="10.244.9.0/29"))
    async with running(network):
        for now in (0.0, 60.0):
            await asyncio.to_thread(network.collect, {"there"}, now)
        assert f"8080 : {address} . 80" in sh("nft", "list", "ruleset")
        await asyncio.to_thread(network.collect, {"there"}, 200.0)
        assert "8080" not in sh("nft", "list", "ruleset")
        assert sh("ip", "-o", "link", "show", "master", "pht0").count("\n") == 1
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
        while sh("ip", "-o", "link", "show", "master", "pht0"):
            await asyncio.sleep(0.02)
    network = PodNetwork(pod_config(tmp_path))
    async with running(network):
        assert "8080" in sh("nft", "list", "ruleset")
        await asyncio.to_thread(network.collect, set(), 0.0)
        assert "8080" not in sh("nft", "list", "ruleset")
    await asyncio.to_thread(network.teardown)
