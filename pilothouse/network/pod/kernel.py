"""The pod network's edge to the kernel: links, settings, nftables. Everything here blocks: call it in a thread.

Two kinds of state are left on the machine and taken away by `teardown`: what carries the instance's name (bridge, veth pairs,
one table), and `ip_forward`, whose value from before the first instance is kept in a file that all instances share.
"""

import contextlib
import errno
import os
import socket
import subprocess
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import structlog

from pilothouse.linux import conntrack
from pilothouse.linux.conntrack import Flow
from pilothouse.linux.netns import run_inside
from pilothouse.linux.nft import Nft, NftFailure, open_nft
from pilothouse.model.json import loads
from pilothouse.network.pod import firewall, netlink, rules
from pilothouse.network.pod.addresses import LINK_PREFIX, Lease, mac_of, parse_alias
from pilothouse.network.pod.cni import PortMapping
from pilothouse.network.pod.config import PodNetworkConfig

log = structlog.get_logger("network.pod")
SETTINGS = Path("/proc/sys/net/ipv4")
DEFAULT_MTU = 1500
_NFT_TIMEOUT_S = 20


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
        raise NetworkFailure(f"nft has not answered within {_NFT_TIMEOUT_S} s: this machine is slow or busy") from error
    if done.returncode:
        raise NetworkFailure(f"nft: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout


def _set(name: str, value: str) -> None:
    path = SETTINGS / name
    if path.read_text().strip() != value:
        path.write_text(value)


def prepare(config: PodNetworkConfig) -> int:
    """Bridge and forwarding as wanted, whatever is there already. Returns the bridge's index. Raises NetworkFailure."""
    try:
        with netlink.RouteSocket() as route:
            index = _prepare_bridge(route, config)
        _prepare_settings(config)
    except OSError as error:
        raise NetworkFailure(f"pod network {config.bridge}: {error} (needs root)") from error
    return index


def apply_rules(config: PodNetworkConfig) -> None:
    nft(rules.table(config.table, config.bridge, config.pod_cidr, config.cluster_cidr or config.pod_cidr, _local_match(config)))
    firewall.admit(config.bridge, config.table, _run_nft(["list", "tables", "ip"]))
    for table in firewall.foreign_drops(loads(_run_nft(["--json", "list", "chains"]))):
        log.warning("a firewall drops forwarded packets: pods reach nothing until it accepts them", table=table, bridge=config.bridge)


class Frames:
    """What pods may send on the bridge: held by a table of family `bridge`, and by the settings of its ports.

    Isolated ports are the second wall, for a kernel without such tables and for the moments in which someone has flushed them. Where
    bridged frames pass through iptables (br_netfilter, as Docker sets it), what a pod sends to a service is bridged to the endpoint's
    port, isolated or not: there the table stands alone.
    """

    def __init__(self, config: PodNetworkConfig) -> None:
        self._config = config
        self._nft = open_nft()
        self._is_possible = self._probe()
        self.isolated = not _bridged_is_filtered(config.bridge)

    def _probe(self) -> bool:
        """A kernel that has no tables for bridges is named in the log."""
        try:
            self._nft.check(rules.frames(f"{self._config.table}-probe", self._config.gateway, ()))
        except NftFailure as failure:
            log.warning("pods can send under others' addresses: nftables takes no table of family bridge", error=str(failure))
            return False
        return True

    def apply(self, bridge: int, leases: Sequence[Lease]) -> None:
        """For the pods that are there, whatever was there before. Raises NetworkFailure."""
        self.isolated = not _bridged_is_filtered(self._config.bridge)
        self._change(rules.frames(self._config.table, self._config.gateway, leases))
        with netlink.RouteSocket() as route:
            for lease in leases:
                try:
                    route.send(_port(socket.if_nametoindex(lease.link), bridge, lease, isolated=self.isolated))
                except OSError as error:
                    if has_link(lease.link):
                        raise NetworkFailure(f"bridge port {lease.link}: {error}") from error

    def admit(self, lease: Lease) -> None:
        """Before the pod can send. Raises NetworkFailure, also when the table is gone."""
        self._change(rules.admit(self._config.table, lease))

    def dismiss(self, lease: Lease) -> None:
        """When its link has gone. Raises NetworkFailure."""
        self._change(rules.dismiss(self._config.table, lease))

    def _change(self, commands: str) -> None:
        try:
            if self._is_possible:
                self._nft.run(commands)
        except NftFailure as failure:
            raise NetworkFailure(f"nft: {failure}") from failure

    def is_in_place(self) -> bool:
        """Neither flushed, nor is br_netfilter another way than it was."""
        if self.isolated == _bridged_is_filtered(self._config.bridge):
            return False
        try:
            return not self._is_possible or "drop" in self._nft.run(f"list chain bridge {self._config.table} {rules.FRAMES}\n")
        except NftFailure:
            return False


def _bridged_is_filtered(bridge: str) -> bool:
    """Whether iptables and the `ip` tables of nftables see frames that are bridged."""
    switches = Path("/proc/sys/net/bridge/bridge-nf-call-iptables"), Path(f"/sys/class/net/{bridge}/bridge/nf_call_iptables")
    return any(_reads_one(switch) for switch in switches)


def _reads_one(path: Path) -> bool:
    try:
        return path.read_text().strip() == "1"
    except OSError:
        return False


def _port(index: int, bridge: int, lease: Lease, *, isolated: bool) -> list[netlink.Message]:
    """Where the pod is, by its lease and not by what is heard from it. Its hardware address follows from its address, so that what is
    remembered of it stays right when it is gone."""
    mac = mac_of(lease.address)
    return [
        netlink.set_port(index, isolated=isolated),
        netlink.add_forwarding(index, mac),
        netlink.add_neighbour(bridge, lease.address, mac),
    ]


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


def attach(lease: Lease, netns: str, *, bridge: int, gateway: str, mtu: int, isolated: bool) -> str:
    """Join the pod to the bridge. isolated: see `Frames`.

    Returns the hardware address of the host's end. Raises OSError; nothing is left then.
    """
    namespace = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with netlink.RouteSocket() as route:
            remove_link(lease.link)
            route.send([netlink.add_veth(lease.link, bridge, mtu, lease.interface, mac_of(lease.address), namespace)])
            index = socket.if_nametoindex(lease.link)
            route.send([netlink.set_alias(index, lease.alias), *_port(index, bridge, lease, isolated=isolated)])
            run_inside(namespace, partial(_configure, lease, gateway))
            return route.link(index).mac
    except BaseException:
        remove_link(lease.link)
        raise
    finally:
        os.close(namespace)


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
    """Raises NetworkFailure. Flows of before: see `end_flows`."""
    nft(rules.open_ports(config.table, address, ports))


def close_ports(config: PodNetworkConfig, address: str, ports: Sequence[PortMapping]) -> None:
    """Raises NetworkFailure. Flows of before: see `end_flows`."""
    nft(rules.close_ports(config.table, address, ports))


def end_flows(address: str, ports: Sequence[PortMapping], *, are_open: bool) -> None:
    """UDP clients that go on sending from the same port go where the ports lead now. address: the pod's. Raises OSError."""
    udp = [port for port in ports if port.protocol == "udp"]
    if not udp:
        return
    with netlink.RouteSocket() as route:
        own = frozenset(route.addresses())
    conntrack.forget((port.host_port for port in udp), lambda flow: _is_stale(flow, address, udp, own, are_open))


def _is_stale(flow: Flow, address: str, ports: Sequence[PortMapping], own: Collection[str], are_open: bool) -> bool:
    """Of flows to this host: those that lead to the pod when its ports are closed, those that lead elsewhere when they are open."""
    here = [port for port in ports if flow.to[1] == port.host_port and flow.to[0] in ((port.host_address,) if port.host_address else own)]
    return any((flow.answers == (address, port.container_port)) != are_open for port in here)


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


def is_in_place(config: PodNetworkConfig, nft: Nft) -> bool:
    """Firewalls that are loaded anew often flush what is not theirs. nft: kept by the caller, who asks every few seconds."""
    try:
        return f'"{config.bridge}"' in nft.run(f"list chain ip {config.table} leave\n")
    except NftFailure:
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
    with contextlib.suppress(NetworkFailure):  # a kernel without tables for bridges
        nft(rules.delete_table(config.table, "bridge"))
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
