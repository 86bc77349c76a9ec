"""The pod network's edge to the kernel: links, settings, nftables. Everything here blocks: call it in a thread.

Two kinds of state are left on the machine and taken away by `teardown`: what carries the instance's name (bridge, veth pairs,
one table), and `ip_forward`, whose value from before the first instance is kept in a file that all instances share.
"""

import contextlib
import ctypes
import errno
import os
import socket
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import structlog

from pilothouse.model.json import loads
from pilothouse.network.pod import firewall, netlink, rules
from pilothouse.network.pod.addresses import LINK_PREFIX, Lease, mac_of, parse_alias
from pilothouse.network.pod.cni import PortMapping
from pilothouse.network.pod.config import PodNetworkConfig

log = structlog.get_logger("network.pod")
SETTINGS = Path("/proc/sys/net/ipv4")
DEFAULT_MTU = 1500
_CLONE_NEWNET = 0x40000000
_NFT_TIMEOUT_S = 20
_libc = ctypes.CDLL(None, use_errno=True)


class NetworkFailure(Exception):
    """The machine refuses what the pod network needs. The text says what and, where known, the way out."""


def nft(commands: str) -> None:
    """One transaction. Raises NetworkFailure with nft's own words."""
    _run_nft(["-f", "-"], commands)


def _run_nft(arguments: Sequence[str], commands: str = "") -> str:
    try:
        done = subprocess.run(["nft", *arguments], input=commands, text=True, capture_output=True, timeout=_NFT_TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        raise NetworkFailure("the program nft is not installed (Debian package nftables)") from error
    except subprocess.TimeoutExpired as error:
        raise NetworkFailure(f"nft has not answered within {_NFT_TIMEOUT_S} s") from error
    if done.returncode:
        raise NetworkFailure(f"nft: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout


def _set(name: str, value: str) -> None:
    path = SETTINGS / name
    if path.read_text().strip() != value:
        path.write_text(value)


def prepare(config: PodNetworkConfig) -> int:
    """Bridge, forwarding and rules as wanted, whatever is there already. Returns the bridge's index."""
    try:
        with netlink.RouteSocket() as route:
            index = _prepare_bridge(route, config)
        _prepare_settings(config)
    except OSError as error:
        raise NetworkFailure(f"pod network {config.bridge}: {error} (needs root)") from error
    apply_rules(config)
    return index


def apply_rules(config: PodNetworkConfig) -> None:
    nft(rules.table(config.table, config.bridge, config.pod_cidr, config.cluster_cidr or config.pod_cidr, _local_match(config)))
    firewall.admit(config.bridge, config.table, _run_nft(["list", "tables", "ip"]))
    for table in firewall.foreign_drops(loads(_run_nft(["--json", "list", "chains"]))):
        log.warning("a firewall drops forwarded packets: pods reach nothing until it accepts them", table=table, bridge=config.bridge)


def _prepare_bridge(route: netlink.RouteSocket, config: PodNetworkConfig) -> int:
    mtu = config.mtu or _uplink_mtu(route)
    # A fixed hardware address: otherwise the bridge takes a port's, and pods lose their gateway when that pod ends.
    with contextlib.suppress(FileExistsError):
        _send(route, [netlink.add_bridge(config.bridge, mtu, mac_of(config.gateway))])
    index = socket.if_nametoindex(config.bridge)
    network = config.network
    reached = [
        netlink.add_route(index, destination=str(ip), prefix=prefix, source=config.gateway) for ip, prefix in map(_split, config.reached)
    ]
    up = [netlink.set_up(index, mtu), netlink.add_address(index, config.gateway, network.prefixlen)]
    _send(route, [*up, *reached])
    return index


def _split(cidr: str) -> tuple[str, int]:
    address, _, prefix = cidr.partition("/")
    return address, int(prefix)


def _send(route: netlink.RouteSocket, messages: Sequence[netlink.Message]) -> None:
    try:
        route.send(messages)
    except netlink.KernelRefusal as refusal:
        if refusal.errno == errno.EEXIST:
            raise FileExistsError(refusal.errno, refusal.strerror) from refusal
        raise


def _uplink_mtu(route: netlink.RouteSocket) -> int:
    index = route.default_route_link()
    return route.link(index).mtu if index is not None else DEFAULT_MTU


def _prepare_settings(config: PodNetworkConfig) -> None:
    bridge = f"conf/{config.bridge}"
    _set(f"{bridge}/route_localnet", "1")
    # Pods reach one another through the host alone, so that services and policies see each packet: no redirects to short cuts.
    _set(f"{bridge}/send_redirects", "0")
    _set(f"{bridge}/rp_filter", "0")
    remembered = config.shared_state / "ip_forward"
    forward = SETTINGS / "ip_forward"
    if not remembered.exists():
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.write_text(forward.read_text())
    _set("ip_forward", "1")


def _local_match(config: PodNetworkConfig) -> str:
    probe = f"{config.table}-probe"
    try:
        _run_nft(["--check", "-f", "-"], f"add table ip {probe}\nadd chain ip {probe} c\nadd rule ip {probe} c {rules.LOCAL} accept\n")
    except NetworkFailure:
        with netlink.RouteSocket() as route:
            return rules.local_by_address(route.addresses())
    return rules.LOCAL


def mtu(link: int) -> int:
    with netlink.RouteSocket() as route:
        return route.link(link).mtu


def leases(bridge: int) -> list[Lease]:
    """What the bridge's ports say. A port of ours without a lease was made by a request that never got its answer: it goes."""
    with netlink.RouteSocket() as route:
        ports = [link for link in route.links() if link.master == bridge and link.name.startswith(LINK_PREFIX)]
        found = {link.index: parse_alias(link.name, link.alias) for link in ports}
        for index in (index for index, lease in found.items() if lease is None):
            with contextlib.suppress(netlink.KernelRefusal):
                route.send([netlink.delete_link(index)])
    return [lease for lease in found.values() if lease is not None]


def attach(lease: Lease, netns: str, *, bridge: int, gateway: str, mtu: int) -> str:
    """Join the pod to the bridge. Returns the hardware address of the host's end. Raises OSError; nothing is left then."""
    namespace = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with netlink.RouteSocket() as route:
            remove_link(lease.link)
            route.send([netlink.add_veth(lease.link, bridge, mtu, lease.interface, mac_of(lease.address), namespace)])
            index = socket.if_nametoindex(lease.link)
            route.send([netlink.set_alias(index, lease.alias), netlink.set_hairpin(index)])
            _inside(namespace, partial(_configure, lease, gateway))
            return route.link(index).mac
    except BaseException:
        remove_link(lease.link)
        raise
    finally:
        os.close(namespace)


def _inside(namespace: int, work: Callable[[], None]) -> None:
    """Do it in the network namespace. Raises what it raises, and OSError.

    A thread of its own enters the namespace and ends with it, so that none of a pool is ever left in the wrong one.
    """

    def enter_and_work() -> None:
        _enter(namespace)
        work()

    with ThreadPoolExecutor(1, "pod-netns") as thread:
        thread.submit(enter_and_work).result()


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"enter network namespace: {os.strerror(number)}")


def _configure(lease: Lease, gateway: str) -> None:
    """In the pod: a /32 address, so that every packet passes through the host and no bridge setting decides whether services work."""
    index = socket.if_nametoindex(lease.interface)
    _set(f"conf/{lease.interface}/accept_redirects", "0")
    with netlink.RouteSocket() as inside:
        inside.send(
            [
                netlink.set_up(socket.if_nametoindex("lo")),
                netlink.set_up(index),
                netlink.add_address(index, lease.address, 32),
                netlink.add_route(index, destination=gateway, prefix=32),
                netlink.add_route(index, gateway=gateway),
            ]
        )


def has_link(name: str) -> bool:
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def remove_link(name: str) -> None:
    with contextlib.suppress(OSError), netlink.RouteSocket() as route:
        route.send([netlink.delete_link(socket.if_nametoindex(name))])


def open_ports(config: PodNetworkConfig, address: str, ports: Sequence[PortMapping]) -> None:
    nft(rules.open_ports(config.table, address, ports))


def close_ports(config: PodNetworkConfig, address: str, ports: Sequence[PortMapping]) -> None:
    nft(rules.close_ports(config.table, address, ports))


def ports(config: PodNetworkConfig) -> dict[str, tuple[PortMapping, ...]]:
    """What the kernel's maps say: pod address -> ports of the host that lead there."""
    found: dict[str, tuple[PortMapping, ...]] = {}
    for where in (rules.ANY_ADDRESS, rules.ONE_ADDRESS):
        listing = loads(_run_nft(["--json", "list", "map", "ip", config.table, where]))
        for entry in listing["nftables"]:
            for key, target in entry.get("map", {}).get("elem", ()):
                *host, protocol, host_port = key["concat"]
                address, port = target["concat"]
                found[address] = (*found.get(address, ()), PortMapping(protocol, host_port, port, *host))
    return found


def is_in_place(config: PodNetworkConfig) -> bool:
    """Firewalls that are loaded anew often flush what is not theirs."""
    try:
        return f'"{config.bridge}"' in _run_nft(["list", "chain", "ip", config.table, "leave"])
    except NetworkFailure:
        return False


def teardown(config: PodNetworkConfig) -> None:
    """Everything of this instance; then, if no other one is left on the machine, `ip_forward` as it was."""
    with contextlib.suppress(OSError), netlink.RouteSocket() as route:
        bridge = socket.if_nametoindex(config.bridge)
        ours = [link.index for link in route.links() if link.master == bridge]
        for index in (*ours, bridge):
            with contextlib.suppress(netlink.KernelRefusal):
                route.send([netlink.delete_link(index)])
    nft(rules.delete_table(config.table))
    firewall.withdraw(config.table, _run_nft(["list", "tables", "ip"]))
    remembered = config.shared_state / "ip_forward"
    if remembered.exists() and not _other_instances():
        (SETTINGS / "ip_forward").write_text(remembered.read_text())
        remembered.unlink()
        with contextlib.suppress(OSError):
            remembered.parent.rmdir()


def _other_instances() -> bool:
    tables = _run_nft(["list", "tables", "ip"]).split()
    return any(name.startswith("pilothouse-") and name.endswith("-pod") for name in tables)
