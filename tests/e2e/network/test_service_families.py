"""Services with real packets of both IP families: from pods, from the host and from outside."""

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.linux.netns import run_at
from pilothouse.model.json import Object
from pilothouse.network.service import ServiceProxy, ServiceProxyConfig, kernel
from tests.e2e.network.both_families import BOTH, CLUSTER, CONFIG, FAR, NODE, ONE, OUTSIDE, PORT, TWO, Host, host_of_both, prepare, url
from tests.e2e.network.conftest import Namespace, sh
from tests.e2e.network.pods import Make, running
from tests.network.cluster import endpoint, endpoint_slice, service

pytestmark = pytest.mark.containers
FAMILIES = ("4", "6")
NEVER, REFUSED = 28, 7
"""Exit codes of curl."""
FURTHER = {"4": "198.51.100.77", "6": "2001:db8:7::77"}
"""Addresses of the host at which no node port answers."""

SERVER = """
import http.server, socket, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (sys.argv[1] + ' ' + self.client_address[0].removeprefix('::ffff:')).encode()
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
class S(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
print('up', flush=True) if S(('::', 80), H, bind_and_activate=False) else None
s = S(('::', 80), H); print('up', flush=True); s.serve_forever()
"""
ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(('::', 53)); print('up', flush=True)
while True:
    d, a = s.recvfrom(99); s.sendto(sys.argv[1].encode(), a)
"""


@contextlib.contextmanager
def serving(program: str = SERVER, **pods: Namespace) -> Iterator[None]:
    started = []
    try:
        for name, pod in pods.items():
            process = subprocess.Popen(pod.command(sys.executable, "-c", program, name), stdout=subprocess.PIPE)
            started.append(process)
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def ask(address: str, port: int = 80, *, of: Namespace | None = None, source: str = "") -> str:
    """What answers, or curl's exit code."""
    command = ["curl", "-s", "--max-time", "2", *(("--interface", source) if source else ()), url(address, port)]
    done = subprocess.run(of.command(*command) if of else command, capture_output=True, text=True, check=False)
    return str(done.returncode) if done.returncode else done.stdout


def names(answers: set[str]) -> set[str]:
    return {answer.split()[0] for answer in answers}


def many(address: str, port: int = 80, *, of: Namespace | None = None) -> set[str]:
    return {ask(address, port, of=of) for _ in range(12)}


async def test_services_answer_in_both_families_from_everywhere(host: None, namespace: Make) -> None:
    async with host_of_both(namespace) as here:
        with serving(one=here.one, two=here.two):
            await here.declare(ONE, TWO)
            for family in FAMILIES:
                assert names(many(CLUSTER[family], of=here.one)) == {"one", "two"}
                assert many(CLUSTER[family], of=here.two) >= {f"one {TWO[family]}"}, "pods keep their address"
                assert names(many(CLUSTER[family])) == {"one", "two"}
                assert many(NODE[family], 30080, of=here.outside) == {f"one {OUTSIDE[family]}", f"two {OUTSIDE[family]}"}
                assert ask(CLUSTER[family], 81, of=here.one) == str(REFUSED)
                assert ask({"4": "10.96.0.99", "6": "fd00:96::99"}[family], of=here.one) == str(REFUSED)
            assert names(many("127.0.0.1", 30080)) == {"one", "two"}
            await here.route(ONE)
            for family in FAMILIES:
                assert names(many(CLUSTER[family], of=here.two)) == {"one"}
                assert ask(CLUSTER[family], of=here.one).startswith("one "), "a pod reaches itself"
            await here.route()
            for family in FAMILIES:
                assert ask(CLUSTER[family], of=here.one) == str(REFUSED)
                assert ask(NODE[family], 30080, of=here.outside) == str(REFUSED)


async def test_a_node_port_at_loopback_leads_to_endpoints_of_this_node_alone(host: None, namespace: Make) -> None:
    async with host_of_both(namespace) as here:
        with serving(one=here.one, far=here.outside):
            await here.declare(ONE, FAR)
            assert names(many("127.0.0.1", 30080)) == {"one"}
            assert names(many(NODE["4"], 30080)) == {"one", "far"}
            await here.route(FAR)
            assert ask("127.0.0.1", 30080) == str(REFUSED), "at once, and not by chance"
            await here.route(ONE)
            assert names(many("127.0.0.1", 30080)) == {"one"}


async def test_traffic_policies_and_external_addresses(host: None, namespace: Make) -> None:
    external, balanced = {"4": "198.51.100.7", "6": "2001:db8:7::7"}, {"4": "203.0.113.9", "6": "2001:db8:9::9"}
    spec: Object = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": 31080,
        "externalIPs": list(external.values()),
        "loadBalancerSourceRanges": [f"{OUTSIDE['4']}/32", f"{OUTSIDE['6']}/128"],
        "status": {"loadBalancer": {"ingress": [{"ip": address} for address in balanced.values()]}},
    }
    async with host_of_both(namespace) as here:
        with serving(one=here.one, far=here.outside):
            await here.declare(ONE, FAR, **spec)
            for family in FAMILIES:
                for address, port in ((external[family], 80), (balanced[family], 80), (NODE[family], 30080)):
                    assert many(address, port, of=here.outside) == {f"one {OUTSIDE[family]}"}, "only here, and with their own address"
                assert names(many(external[family], of=here.two)) == {"one", "far"}, "pods reach all"
                assert names(many(external[family])) == {"one", "far"}, "and the host"
                sh("ip", "address", "add", FURTHER[family], "dev", "lo")
                assert names({ask(external[family], source=FURTHER[family]) for _ in range(12)}) == {"one", "far"}, (
                    "from all of its addresses"
                )
                assert ask(balanced[family], of=here.two) == str(NEVER), "no range has the pod"
                assert json.loads(await asyncio.to_thread(ask, NODE[family], 31080, of=here.outside))["localEndpoints"] == 1
            await here.route(FAR)
            for family in FAMILIES:
                assert ask(external[family], of=here.outside, source=OUTSIDE[family]) == str(NEVER), "another node is to be tried"
                shown = await asyncio.to_thread(sh, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url(NODE[family], 31080))
                assert shown == "503"
            await here.declare(ONE, FAR, internalTrafficPolicy="Local")
            for family in FAMILIES:
                assert names(many(CLUSTER[family], of=here.two)) == {"one"}


@pytest.mark.slow
async def test_a_pod_that_asks_another_nodes_pod_keeps_its_address_and_whoever_is_outside_does_not(host: None, namespace: Make) -> None:
    async with host_of_both(namespace) as here:
        with serving(far=here.outside):
            await here.declare(FAR)
            for family in FAMILIES:
                assert ask(CLUSTER[family], of=here.two) == f"far {TWO[family]}"
                assert ask(NODE[family], 30080, of=here.outside, source=OUTSIDE[family]) == f"far {NODE[family]}"


def sent(socket_: socket.socket, address: str, port: int) -> bytes:
    socket_.sendto(b"?", (address, port))
    return socket_.recv(99)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
async def test_a_udp_client_with_a_fixed_port_follows_the_endpoints_also_by_node_port(host: None, namespace: Make, family: str) -> None:
    kind = socket.AF_INET6 if family == "6" else socket.AF_INET
    port = {"name": "http", "protocol": "UDP", "port": 53, "nodePort": 30053}
    async with host_of_both(namespace) as here:
        with (
            serving(ECHO, one=here.one, two=here.two),
            run_at_socket(here.outside, kind) as client,
            socket.socket(kind, socket.SOCK_DGRAM) as own,
        ):
            for each, to in ((client, (NODE[family], 30053)), (own, (CLUSTER[family], 53))):
                each.settimeout(2)
                with contextlib.suppress(OSError):
                    each.sendto(b"before there was a Service", to)
            await here.declare(ONE, port=port)
            assert sent(client, NODE[family], 30053) == b"one"
            with contextlib.suppress(OSError):
                own.recv(99)
            assert sent(own, CLUSTER[family], 53) == b"one"
            await here.route(TWO, protocol="UDP", port=53)
            assert sent(client, NODE[family], 30053) == b"two"
            assert sent(own, CLUSTER[family], 53) == b"two"


@contextlib.contextmanager
def run_at_socket(namespace: Namespace, kind: int) -> Iterator[socket.socket]:
    """Of UDP, in the namespace."""
    made = run_at(namespace.path, lambda: socket.socket(kind, socket.SOCK_DGRAM))
    try:
        yield made
    finally:
        made.close()


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def sctp_init(source: int, destination: int) -> bytes:
    """A packet that opens an association (RFC 9260, section 3.3.2)."""
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20, 7, 65536, 1, 1, 7)
    head = struct.pack("!HHI", source, destination, 0)
    return head + struct.pack("<I", crc32c(head + b"\0\0\0\0" + chunk)) + chunk


@pytest.mark.slow
@pytest.mark.skipif(not kernel.translates_sctp(), reason="this kernel does not track SCTP")
async def test_sctp_is_led_to_an_endpoint_by_kernels_that_track_it(host: None, namespace: Make) -> None:
    port = {"name": "http", "protocol": "SCTP", "port": 80, "targetPort": 9080}
    async with host_of_both(namespace) as here:
        await here.declare(ONE, port=port, type="ClusterIP")
        ear = run_at(here.one.path, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP))
        with ear, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP) as out:
            ear.settimeout(2)
            out.sendto(sctp_init(5000, 80), (CLUSTER["4"], 0))
            packet = ear.recv(200)
            assert socket.inet_ntoa(packet[16:20]) == ONE["4"]
            assert struct.unpack("!H", packet[22:24]) == (9080,)


@pytest.mark.slow
async def test_a_table_that_somebody_flushes_is_back_within_seconds(host: None, namespace: Make) -> None:
    async with host_of_both(namespace) as here:
        with serving(one=here.one):
            await here.declare(ONE)
            for command in (
                ("nft", "flush", "ruleset"),
                ("nft", "flush", "table", "ip6", CONFIG.table),
                ("nft", "delete", "table", "ip", CONFIG.table),
            ):
                sh(*command)
                began = time.monotonic()
                while not all(ask(CLUSTER[family], of=here.two).startswith("one") for family in FAMILIES):
                    assert time.monotonic() - began < 5
                    await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_node_ports_follow_the_addresses_of_the_machine_in_the_networks_that_are_named(host: None, namespace: Make) -> None:
    async with host_of_both(namespace) as here:
        with serving(one=here.one):
            await here.declare(ONE)
            assert ask("192.0.2.77", 30080) != f"one {NODE['4']}"
            sh("ip", "address", "add", "192.0.2.77/32", "dev", "lo")
            async with asyncio.timeout(10):
                while not ask("192.0.2.77", 30080).startswith("one"):
                    await asyncio.sleep(0.1)


PROXY = """
import asyncio, json, sys
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.model.kinds import ENDPOINTSLICES, SERVICES
from pilothouse.network.service import ServiceProxy
from tests.e2e.network.both_families import CONFIG
from tests.network.cluster import FakeCluster

async def main():
    service, *slices = json.loads(sys.argv[1])
    cluster = FakeCluster(); informers = cluster.informers(); ready = asyncio.Event()
    await cluster.put(SERVICES, service)
    for each in slices:
        await cluster.put(ENDPOINTSLICES, each)
    proxy = ServiceProxy(informers, EndpointBarrier(), CONFIG)
    async with asyncio.TaskGroup() as group:
        group.create_task(informers.run()); group.create_task(proxy.run(ready))
        await ready.wait()
        print("ready", flush=True)
asyncio.run(main())
"""


@contextlib.contextmanager
def proxying(objects: list[Object]) -> Iterator[None]:
    """The proxy in a process of its own, which is killed at the end."""
    process = subprocess.Popen([sys.executable, "-c", PROXY, json.dumps(objects)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.slow
async def test_clients_stay_with_their_endpoint_in_both_families_when_the_proxy_is_killed_and_starts_again(
    host: None, namespace: Make
) -> None:
    one, two, _ = prepare(namespace)
    affinity = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 3600}}}
    offered = [{"name": "http", "protocol": "TCP", "port": 80}]
    slices = [
        endpoint_slice("web", offered, endpoint(ONE[family]), endpoint(TWO[family]), suffix=family) | {"addressType": f"IPv{family}"}
        for family in FAMILIES
    ]
    objects = [service("web", PORT, type="NodePort", **BOTH, **affinity), *slices]
    with serving(one=one, two=two):
        with proxying(objects):
            first = {family: ask(CLUSTER[family]) for family in FAMILIES}
        assert {family: ask(CLUSTER[family]) for family in FAMILIES} == first, "while no proxy runs"
        for _ in range(4):
            with proxying(objects):
                assert {family: ask(CLUSTER[family]) for family in FAMILIES} == first
    kernel.teardown(CONFIG)
    assert sh("nft", "list", "ruleset") == ""


@pytest.mark.slow
async def test_a_table_of_the_other_family_goes_when_the_node_has_one_family_alone(host: None, namespace: Make) -> None:
    async with host_of_both(namespace) as here:
        await here.declare(ONE)
        assert "table ip6" in sh("nft", "list", "tables")
        alone = ServiceProxyConfig(instance="pht", node="here", local_cidrs=("10.244.7.0/24",), service_cidrs=("10.96.0.0/12",))
        async with host_alone(here, alone):
            assert "table ip6" not in sh("nft", "list", "tables")


@contextlib.asynccontextmanager
async def host_alone(here: Host, config: ServiceProxyConfig) -> AsyncIterator[None]:
    informers = here.cluster.informers()
    proxy = ServiceProxy(informers, EndpointBarrier(), config)
    async with running(informers), running(proxy):
        yield
