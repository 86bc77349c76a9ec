"""Hosts as network namespaces on one link, each with a pod, and the node's back ends as a real process on each.

Names carry this process's id; everything is removed at the end, whatever happens before.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from pilothouse.linux.netns import run_at
from pilothouse.model.cluster_network import filled
from pilothouse.model.json import Object
from pilothouse.network.backends.bgp.process import Bird
from pilothouse.network.backends.config import BackendConfig

ROOT = Path(__file__).parents[3]
INSTANCE = "test"
FAMILIES = {"4": ("10.244.0.0/16",), "6": ("fd00:10:244::/56",), "46": ("10.244.0.0/16", "fd00:10:244::/56")}


def run(*command: str, check: bool = True, timeout_s: float = 30) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


@dataclass
class Host:
    """number: from 1, also in its addresses and its range. node: as the API has it. is_mute: what it writes there is lost."""

    number: int
    prefix: str
    families: str
    state: Path
    node: Object = field(default_factory=dict)
    process: "subprocess.Popen[str] | None" = None
    conditions: dict[str, Any] = field(default_factory=dict)
    is_mute: bool = False

    @property
    def name(self) -> str:
        return f"n{self.number}"

    @property
    def netns(self) -> str:
        return f"{self.prefix}h{self.number}"

    @property
    def pod_netns(self) -> str:
        return f"{self.prefix}p{self.number}"

    @property
    def addresses(self) -> list[str]:
        found = [f"192.0.2.{self.number}"] if "4" in self.families else []
        return found + ([f"2001:db8::{self.number}"] if "6" in self.families else [])

    @property
    def cidrs(self) -> list[str]:
        found = [f"10.244.{self.number}.0/24"] if "4" in self.families else []
        return found + ([f"fd00:10:244:{self.number}::/64"] if "6" in self.families else [])

    def pod(self, version: int = 4) -> str:
        return next(str(ip_network(each)[2]) for each in self.cidrs if ip_network(each).version == version)

    def ip(self, *words: str) -> str:
        return run("ip", "-n", self.netns, *words)

    def inside(self, *command: str, check: bool = True) -> str:
        return run("ip", "netns", "exec", self.netns, *command, check=check)

    def in_pod(self, *command: str, check: bool = True) -> str:
        return run("ip", "netns", "exec", self.pod_netns, *command, check=check)


class Hosts:
    """The API between the processes: what one writes to its Node, all are told."""

    def __init__(self, hosts: list[Host], prefix: str) -> None:
        self.hosts = hosts
        self.prefix = prefix
        self._lock = threading.RLock()
        self._threads: list[threading.Thread] = []
        self.network: Object = {}
        self.others: dict[tuple[str, str], Object] = {}
        self.set()

    def set(self, **spec: Any) -> None:
        """Changes the ClusterNetwork, of which every host is told."""
        generation = self.network.get("metadata", {}).get("generation", 0) + 1
        self.network = {"kind": "ClusterNetwork", "metadata": {"name": "default", "generation": generation}, "spec": filled(spec)}
        self._tell(self.network)

    def say(self, obj: Object) -> None:
        """An object of any other kind that the agents know, of which every host is told."""
        self.others[obj["kind"], obj["metadata"]["name"]] = obj
        self._tell(obj)

    def start(self, host: Host) -> None:
        config = {"instance": INSTANCE, "node": host.name, "cluster_cidrs": FAMILIES[host.families], "state": str(host.state)}
        command = ["ip", "netns", "exec", host.netns, sys.executable, "-m", "tests.network.backends.agent", json.dumps(config)]
        host.state.mkdir(parents=True, exist_ok=True)
        with (host.state / "log").open("a") as log:
            host.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=_environment()
            )
        with self._lock:
            for obj in (*(each.node for each in self.hosts if each.node), self.network, *self.others.values()):
                self._send(host, json.dumps(obj))
            self._send(host, "go")
        thread = threading.Thread(target=self._follow, args=(host, host.process), daemon=True)
        thread.start()
        self._threads.append(thread)

    def kill(self, host: Host) -> None:
        assert host.process is not None
        host.process.kill()
        host.process.wait()
        for pipe in (host.process.stdin, host.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        host.process = None

    def gone(self, host: Host) -> None:
        self._tell({**host.node, "gone": True})
        host.node = {}

    def put(self, host: Host) -> None:
        self._tell(host.node)

    def settled(self) -> bool:
        """Whether every running host says that it follows, and reaches all others."""
        with self._lock:
            said = [self.said(host) for host in self.hosts if host.process is not None and host.node]
        wanted = self.network["metadata"]["generation"]
        return all(each.get("generation") == wanted and each.get("backend") and not each.get("waiting") for each in said)

    def said(self, host: Host) -> dict[str, Any]:
        found = host.node["metadata"].get("annotations", {}).get("network.pilothouse.dev/follows") or "{}"
        return dict(json.loads(found))

    def _follow(self, host: Host, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            body = json.loads(line)["body"]
            if host.is_mute:
                continue
            with self._lock:
                for each in body.get("status", {}).get("conditions", ()):
                    host.conditions[each["type"]] = each
                annotations = host.node.get("metadata", {}).setdefault("annotations", {})
                for key, value in (body.get("metadata", {}).get("annotations") or {}).items():
                    annotations[key] = value
                    if value is None:
                        del annotations[key]
                if "metadata" in body and host.node:
                    self._tell(host.node)

    def _tell(self, obj: Object) -> None:
        with self._lock:
            for host in self.hosts:
                if host.process is not None:
                    self._send(host, json.dumps(obj))

    def _send(self, host: Host, line: str) -> None:
        assert host.process is not None
        assert host.process.stdin is not None
        with suppress(BrokenPipeError):
            host.process.stdin.write(line + "\n")
            host.process.stdin.flush()

    def close(self) -> None:
        for host in self.hosts:
            if host.process is not None:
                self.kill(host)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@contextmanager
def hosts(folder: Path, count: int = 2, *, families: str = "4", mtu: int = 1500, strict: bool = False) -> Iterator[Hosts]:
    """strict: whether the hosts drop what comes by another way than they answer by (rp_filter), as some distributions set it."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes network namespaces")
    prefix = f"phb{os.getpid()}"
    made = [Host(number, prefix, families, folder / f"n{number}") for number in range(1, count + 1)]
    wire = f"{prefix}w"
    names = [wire, *(host.netns for host in made), *(host.pod_netns for host in made)]
    try:
        for name in names:
            run("ip", "netns", "add", name)
        run("ip", "-n", wire, "link", "add", "wire0", "type", "bridge")
        run("ip", "-n", wire, "link", "set", "wire0", "mtu", str(mtu), "up")
        for host in made:
            _lay(host, wire, mtu, strict)
        with ExitStack() as stack:
            for host in made:
                stack.enter_context(echoing(host))
            yield stack.enter_context(closing(Hosts(made, prefix)))
    finally:
        for host in made:
            asyncio.run(bird(host).end())
        for name in names:
            run("ip", "netns", "delete", name, check=False)


def bird(host: Host) -> Bird:
    """Its BIRD, which outlives its agent."""
    return Bird(BackendConfig(instance=INSTANCE, node=host.name, cluster_cidrs=FAMILIES[host.families], state=host.state))


def _lay(host: Host, wire: str, mtu: int, strict: bool) -> None:
    port, pod = f"h{host.number}", host.pod_netns
    for netns in (host.netns, pod):
        # Addresses are used at once.
        run("ip", "netns", "exec", netns, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
    run(
        "ip", "-n", wire, "link", "add", port, "mtu", str(mtu), "type", "veth", "peer", "name", "eth0", "mtu", str(mtu), "netns", host.netns
    )
    run("ip", "-n", wire, "link", "set", port, "master", "wire0", "up")
    host.ip("link", "add", "pod", "mtu", str(mtu), "type", "veth", "peer", "name", "eth0", "mtu", str(mtu), "netns", pod)
    for link in ("lo", "eth0", "pod"):
        host.ip("link", "set", link, "up")
    for link in ("lo", "eth0"):
        run("ip", "-n", pod, "link", "set", link, "up")
    for address in host.addresses:
        host.ip("address", "add", f"{address}/{'64' if ':' in address else '24'}", "dev", "eth0", *(["nodad"] if ":" in address else []))
    for cidr in host.cidrs:
        network = ip_network(cidr)
        quick = ["nodad"] if network.version == 6 else []
        host.ip("address", "add", f"{network[1]}/{network.prefixlen}", "dev", "pod", *quick)
        run("ip", "-n", pod, "address", "add", f"{network[2]}/{network.prefixlen}", "dev", "eth0", *quick)
        run("ip", "-n", pod, "route", "add", "default", "via", str(network[1]))
    # As on hosts: forwarding, and no router's word.
    settings = [
        "net.ipv4.ip_forward=1",
        "net.ipv6.conf.all.forwarding=1",
        *(f"net.ipv4.conf.{link}.rp_filter={int(strict)}" for link in ("all", "default", "eth0", "pod")),
    ]
    host.inside("sysctl", "-qw", *settings)
    addresses = [{"type": "InternalIP", "address": each} for each in host.addresses]
    host.node = {
        "kind": "Node",
        "metadata": {"name": host.name, "uid": f"uid-{host.name}", "creationTimestamp": f"2026-01-01T00:00:0{host.number}Z"},
        "spec": {"podCIDR": host.cidrs[0], "podCIDRs": host.cidrs},
        "status": {"addresses": addresses, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def until(condition: Callable[[], bool], what: str, *, within_s: float = 30.0) -> float:
    """How long it took, in seconds. within_s: 30 where nothing is promised: on a busy machine two agents take ten to start."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - began


ECHO, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IPV6_MTU_DISCOVER = 7007, 10, 2, 23


def open_in(netns: str, family: socket.AddressFamily, kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
    """A socket of that network namespace, to be used from here."""
    return run_at(f"/run/netns/{netns}", lambda: socket.socket(family, kind))


@contextmanager
def echoing(host: Host) -> Iterator[None]:
    """The host's pod answers datagrams with themselves."""
    sockets = [open_in(host.pod_netns, socket.AF_INET6 if ":" in cidr else socket.AF_INET) for cidr in host.cidrs]
    threads = [threading.Thread(target=_echo, args=(each,), daemon=True) for each in sockets]
    for each, cidr in zip(sockets, host.cidrs, strict=True):
        each.bind((str(ip_network(cidr)[2]), ECHO))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def _echo(here: socket.socket) -> None:
    with suppress(OSError):
        while True:
            data, sender = here.recvfrom(65536)
            if not data and sender is None:
                return
            here.sendto(data, sender)


def reaches(host: Host, other: Host, version: int = 4, *, size: int = 56, whole: bool = False, within_s: float = 0.5) -> bool:
    """A datagram from pod to pod and back. size: of what it carries. whole: it may not be cut on the way."""
    with open_in(host.pod_netns, socket.AF_INET6 if version == 6 else socket.AF_INET) as here:
        here.settimeout(within_s)
        level, option = (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) if version == 6 else (socket.IPPROTO_IP, IP_MTU_DISCOVER)
        here.setsockopt(level, option, IP_PMTUDISC_DO if whole else 0)
        try:
            here.connect((other.pod(version), ECHO))
            here.send(os.urandom(size))
            return len(here.recv(65536)) == size
        except OSError:
            return False


class Stream:
    """A TCP connection from pod to pod that carries 20 kB every few milliseconds. longest_s: the longest that none arrived."""

    def __init__(self, sender: Host, receiver: Host, version: int = 4) -> None:
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        self._listener = open_in(receiver.pod_netns, family, socket.SOCK_STREAM)
        self._listener.bind((receiver.pod(version), 7008))
        self._listener.listen(1)
        self._sender = open_in(sender.pod_netns, family, socket.SOCK_STREAM)
        self._sender.settimeout(10)
        self._sender.connect((receiver.pod(version), 7008))
        self._receiver = self._listener.accept()[0]
        self._is_over = threading.Event()
        self.sent = self.received = 0
        self.longest_s = 0.0
        self.failure: OSError | None = None
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        try:
            while not self._is_over.wait(0.003):
                self._sender.sendall(bytes(20_000))
                self.sent += 20_000
            self._sender.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.failure = error

    def _receive(self) -> None:
        last = time.monotonic()
        try:
            while data := self._receiver.recv(1 << 20):
                now = time.monotonic()
                self.received += len(data)
                self.longest_s, last = max(self.longest_s, now - last), now
        except OSError as error:
            self.failure = error

    def close(self) -> None:
        """Returns when all that was sent has arrived."""
        self._is_over.set()
        for thread in self._threads:
            thread.join(15)
        for each in (self._sender, self._receiver, self._listener):
            each.close()
        assert self.failure is None
        assert self.received == self.sent
