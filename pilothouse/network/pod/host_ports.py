"""Ports of the host that lead into pods, as the kernel's maps have them. Blocks; for any thread.

Which ports are open is known from the maps after a restart, and from here otherwise.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import structlog

from pilothouse.linux import conntrack
from pilothouse.linux.conntrack import Flow
from pilothouse.model.json import loads
from pilothouse.network.pod import netlink, nft, rules
from pilothouse.network.pod.cni import PortMapping
from pilothouse.network.pod.config import PodNetworkConfig
from pilothouse.network.pod.family import FAMILIES, Family, family_of

log = structlog.get_logger("network.pod")


@dataclass(frozen=True, slots=True)
class Unended:
    """Ports of the host that were opened or closed, and whose UDP flows of before go on. A kernel without conntrack's netlink has none to
    end: so the tries do."""

    ports: tuple[PortMapping, ...]
    are_open: bool
    tries_left: int = 20


class HostPorts:
    def __init__(self, config: PodNetworkConfig) -> None:
        self._config = config
        self._open: dict[str, tuple[PortMapping, ...]] = {}
        self._unended: dict[str, Unended] = {}
        self._lock = threading.Lock()

    def find(self) -> None:
        """Those that are open in the kernel. Raises NetworkFailure."""
        self._open = present(self._config)

    @property
    def addresses(self) -> frozenset[str]:
        """Of pods that have ports open."""
        with self._lock:
            return frozenset(self._open)

    def open(self, addresses: Sequence[str], ports: Sequence[PortMapping]) -> None:
        """addresses: one pod's, of either family. Raises NetworkFailure."""
        for address in addresses:
            if fitting := rules.ports_to(address, ports):
                nft.apply(rules.open_ports(self._config.table, address, fitting))
                with self._lock:
                    self._open[address] = fitting
                self._end_flows(address, Unended(fitting, are_open=True))

    def open_again(self) -> None:
        """After somebody has flushed the table. Raises NetworkFailure."""
        with self._lock:
            known = list(self._open.items())
        for address, ports in known:
            nft.apply(rules.open_ports(self._config.table, address, ports))

    def close(self, address: str) -> None:
        """One that has none is no error. Raises NetworkFailure; its ports are open then."""
        with self._lock:
            ports = self._open.get(address)
        if ports is None:
            return
        nft.apply(rules.close_ports(self._config.table, address, ports))
        with self._lock:
            self._open.pop(address, None)
        self._end_flows(address, Unended(ports, are_open=False))

    def retry(self) -> None:
        """End the flows that could not be ended before."""
        with self._lock:
            unended, self._unended = self._unended, {}
        for address, what in unended.items():
            self._end_flows(address, what)

    def _end_flows(self, address: str, unended: Unended) -> None:
        """What cannot be done now is tried again with each inspection."""
        try:
            end_flows(address, unended.ports, are_open=unended.are_open)
        except OSError as error:
            log.warning("UDP flows of a host port could not be ended", address=address, error=str(error), tries_left=unended.tries_left)
            if unended.tries_left:
                with self._lock:
                    self._unended[address] = replace(unended, tries_left=unended.tries_left - 1)


def end_flows(address: str, ports: Sequence[PortMapping], *, are_open: bool) -> None:
    """UDP clients that go on sending from the same port go where the ports lead now. address: the pod's. Raises OSError."""
    udp = [port for port in ports if port.protocol == "udp"]
    if not udp:
        return
    family = family_of(address).number
    with netlink.RouteSocket() as route:
        own = frozenset(route.addresses(family))
    conntrack.forget((port.host_port for port in udp), lambda flow: _is_stale(flow, address, udp, own, are_open), family=family)


def _is_stale(flow: Flow, address: str, ports: Sequence[PortMapping], own: Collection[str], are_open: bool) -> bool:
    """Of flows to this host: those that lead to the pod when its ports are closed, those that lead elsewhere when they are open."""
    here = [port for port in ports if flow.to[1] == port.host_port and flow.to[0] in ((port.host_address,) if port.host_address else own)]
    return any((flow.answers == (address, port.container_port)) != are_open for port in here)


def present(config: PodNetworkConfig) -> dict[str, tuple[PortMapping, ...]]:
    """What the kernel's maps say: pod address -> ports of the host that lead there. Raises NetworkFailure."""
    found: dict[str, tuple[PortMapping, ...]] = {}
    for family in FAMILIES:
        if config.gateway_of(family):
            for address, port in _elements(config, family):
                found[address] = (*found.get(address, ()), port)
    return found


def _elements(config: PodNetworkConfig, family: Family) -> list[tuple[str, PortMapping]]:
    found = []
    for where in (rules.ANY_ADDRESS, rules.ONE_ADDRESS):
        listing = loads(nft.run(["--json", "list", "map", family.nft, config.table, where]))
        for entry in listing["nftables"]:
            for key, target in entry.get("map", {}).get("elem", ()):
                *host, protocol, host_port = key["concat"]
                address, port = target["concat"]
                found.append((address, PortMapping(protocol, host_port, port, *host)))
    return found
