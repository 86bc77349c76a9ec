"""The links and routes of pods. Everything here blocks: call it in a thread.

A pod's link is a pair whose near end is a port of nothing. A route to each of the pod's addresses leads to it, the pod's default route
leads to a next hop that exists nowhere, and both sides know the other's hardware address for good: nothing is asked on the link, so nothing
can be answered falsely, and no frame reaches another pod. Routes and neighbours go with the link.
"""

import contextlib
import errno
import os
import re
import socket
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import structlog

from pilothouse.linux.netns import run_at, run_inside
from pilothouse.model.pod_links import is_pod_link
from pilothouse.network.pod import netlink, settings
from pilothouse.network.pod.addresses import Lease, parse_alias
from pilothouse.network.pod.config import PodNetworkConfig
from pilothouse.network.pod.family import IPV4, IPV6, family_of, mac_of

log = structlog.get_logger("network.pod")
HOST_MAC = mac_of(IPV4.next_hop)
"""Of the host's end of every pod's link."""

MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(rb"\\([0-7]{3})")
_HOST_SETTINGS = {netlink.ROUTE_LOCALNET: 1, netlink.RP_FILTER: 1, netlink.SEND_REDIRECTS: 0}


def ours(route: netlink.RouteSocket, config: PodNetworkConfig) -> list[netlink.Link]:
    """The host's ends of this instance's pods, those among them that an earlier version has made ports of a bridge."""
    found = route.links()
    bridge = next((link.index for link in found if link.name == config.device), -1)
    return [link for link in found if is_pod_link(link.name) and (link.group == config.group or link.master == bridge)]


def leases(config: PodNetworkConfig) -> list[Lease]:
    """What the links say. One of ours without a lease was made by a request that never got its answer: it goes."""
    with netlink.RouteSocket() as route:
        found = {link.index: parse_alias(link.name, link.alias) for link in ours(route, config)}
        route.try_all(netlink.delete_link(index) for index, lease in found.items() if lease is None)
    return [lease for lease in found.values() if lease is not None]


def attach(lease: Lease, netns: str, config: PodNetworkConfig, mtu: int) -> str:
    """Give the pod its link. Returns the hardware address of the host's end. Raises OSError; nothing is left then."""
    namespace = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with netlink.RouteSocket() as route:
            remove(lease.link)
            route.send([netlink.add_veth(lease.link, HOST_MAC, config.group, mtu, lease.interface, mac_of(lease.address), namespace)])
            index = socket.if_nametoindex(lease.link)
            _set_ipv6(lease.link, lease)
            route.send([adopt(index, lease), *_ways(index, lease, config)])
            run_inside(namespace, partial(_configure, lease))
    except BaseException:
        remove(lease.link)
        raise
    finally:
        os.close(namespace)
    return HOST_MAC


def adopt(index: int, lease: Lease) -> netlink.Message:
    """The near end's settings, and whose it is."""
    return netlink.set_link(index, alias=lease.alias, settings=_HOST_SETTINGS, mutes_ipv6=bool(IPV6.of(lease.addresses)))


def _ways(index: int, lease: Lease, config: PodNetworkConfig, *, replaces: bool = True) -> Iterator[netlink.Message]:
    """What leads to the pod. From the host itself packets come under the gateway's address."""
    for address in lease.addresses:
        source = config.gateway_of(family_of(address))
        yield netlink.add_neighbour(index, address, mac_of(lease.address))
        yield netlink.add_route(index, address, source=source, replaces=replaces)


def lead_to(index: int, lease: Lease, config: PodNetworkConfig) -> list[netlink.Message]:
    return list(_ways(index, lease, config))


def restore(config: PodNetworkConfig, leases: Iterable[Lease]) -> int:
    """Put back routes to pods that somebody has taken away. What is there stays untouched. Returns how many were missing."""
    with netlink.RouteSocket() as route:
        indices = {link.name: link.index for link in ours(route, config)}
        there = [lease for lease in leases if lease.link in indices]
        messages = [message for lease in there for message in _ways(indices[lease.link], lease, config, replaces=False)]
        refused = route.try_all(messages)
    unmade = [refusal for refusal in refused if refusal.errno != errno.EEXIST]
    if unmade:
        log.warning("routes to pods cannot be made", refused=len(unmade), error=unmade[0].strerror)
    return sum(message.kind == netlink.NEWROUTE for message in messages) - len(refused)


def set_mtu(config: PodNetworkConfig, mtu: int) -> int:
    """Both ends of the links that are there; connections go on with smaller or larger packets. Returns how many links have changed.

    A pod's end is found by the file of its namespace. Where there is none the link stays as it is: what is too large for the way is refused
    by the host, with an answer that says the right size.
    """
    with netlink.RouteSocket() as route:
        links = [link for link in ours(route, config) if link.mtu != mtu]
        namespaces = _namespaces(route) if links else {}
        changed = [link for link in links if link.peer_netns in namespaces and _set_mtu(route, link, mtu, namespaces[link.peer_netns])]
    if len(changed) < len(links):
        log.warning("links of pods keep their MTU: their namespaces are not found", links=len(links) - len(changed), mtu=mtu)
    return len(changed)


def _set_mtu(route: netlink.RouteSocket, link: netlink.Link, mtu: int, namespace: Path) -> bool:
    def far() -> None:
        with netlink.RouteSocket() as inside:
            inside.send([netlink.set_mtu(link.peer, mtu)])

    def near() -> None:
        route.send([netlink.set_mtu(link.index, mtu)])

    try:
        if mtu < link.mtu:  # Neither end may send what the other one does not take.
            run_at(str(namespace), far)
            near()
        else:
            near()
            run_at(str(namespace), far)
    except OSError as error:
        log.warning("the MTU of a pod's link cannot be changed", link=link.name, error=str(error))
        return False
    return True


def _namespaces(route: netlink.RouteSocket) -> dict[int, Path]:
    """The kernel's numbers of the namespaces that pods' links lead to -> their files, wherever the container runtime keeps them."""
    found: dict[int, Path] = {}
    for path in _namespace_files():
        with contextlib.suppress(OSError):
            namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                found[route.number_of(namespace)] = path
            finally:
                os.close(namespace)
    found.pop(-1, None)
    return found


def _namespace_files() -> Iterator[Path]:
    """Network namespaces that are mounted. Source: proc(5), mountinfo (spaces and the like are written in octal)."""
    for line in MOUNTS.read_bytes().splitlines():
        place, _, what = line.partition(b" - ")
        words = place.split()
        if what.startswith(b"nsfs ") and words[3].startswith(b"net:["):
            yield Path(os.fsdecode(_ESCAPED.sub(lambda found: bytes((int(found[1], 8),)), words[4])))


def has(name: str) -> bool:
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def remove(name: str) -> None:
    """Its routes go with it. One that is gone already is no error."""
    with contextlib.suppress(OSError), netlink.RouteSocket() as route:
        route.send([netlink.delete_link(socket.if_nametoindex(name))])


def _set_ipv6(link: str, lease: Lease) -> None:
    """What new links have is the machine's to say: here no router is believed, and IPv6 is on."""
    if IPV6.of(lease.addresses):
        settings.write(settings.IPV6 / "conf" / link / "disable_ipv6", "0")
        settings.write(settings.IPV6 / "conf" / link / "accept_ra", "0")


def _configure(lease: Lease) -> None:
    """In the pod: addresses of a host, not of a network, so that every packet passes through the node."""
    index = socket.if_nametoindex(lease.interface)
    _set_ipv6(lease.interface, lease)
    messages = [netlink.set_up(socket.if_nametoindex("lo")), netlink.set_up(index)]
    for address in lease.addresses:
        family = family_of(address)
        messages += [netlink.add_address(index, address), netlink.add_neighbour(index, family.next_hop, HOST_MAC)]
        if family is IPV4:
            messages.append(netlink.add_route(index, family.next_hop))
        messages.append(netlink.add_route(index, _EVERYWHERE[family], gateway=family.next_hop))
    with netlink.RouteSocket() as inside:
        inside.send(messages)


_EVERYWHERE = {IPV4: "0.0.0.0/0", IPV6: "::/0"}
