"""What the pod network makes on its host beside pods' own links: a device, settings, nftables. Everything here blocks: call it in a thread.

The device is a bridge without ports, since every kernel has bridges: it holds the addresses by which pods reach their host, and takes the
routes to service addresses. Left on the machine and taken away by `teardown` is what carries the instance's name (device, pods' links, two
tables), routes that refuse what goes to no pod, and what `settings` keeps in files.
"""

import contextlib
import socket
from collections.abc import Iterator

import structlog

from pilothouse.linux.nft_state import NftState
from pilothouse.linux.nft_written import WrittenRules
from pilothouse.model.json import loads
from pilothouse.network.pod import bridge, firewall, links, netlink, nft, rules, settings
from pilothouse.network.pod.config import PodNetworkConfig
from pilothouse.network.pod.family import FAMILIES, IPV6, Family, family_of, mac_of
from pilothouse.network.pod.nft import NetworkFailure as NetworkFailure

log = structlog.get_logger("network.pod")
DEFAULT_MTU, LEAST_MTU6 = 1500, 1280


def prepare(config: PodNetworkConfig, written: WrittenRules) -> int:
    """The host as wanted, whatever is there already, and the pods of earlier versions as the others. Returns the MTU of pods' links.

    written: hears of the rules.

    Raises NetworkFailure.
    """
    try:
        if config.gateway_of(IPV6) and not settings.has_ipv6():
            ranges = ", ".join(IPV6.of(config.pod_cidrs))
            raise NetworkFailure(
                f"pods cannot have IPv6 addresses of {ranges}: this machine has no IPv6, or net.ipv6.conf.all.disable_ipv6"
            )
        with netlink.RouteSocket() as route:
            mtu = _mtu(route, config)
            _make_device(route, config, mtu)
        settings.forward(config.shared_state, ipv6=bool(config.gateway_of(IPV6)))
        apply_rules(config, written)
        settings.keep_half_closed(config.shared_state)
        bridge.leave(config)
        _delete_table(config, "bridge")
        links.set_mtu(config, mtu)
    except OSError as error:
        raise NetworkFailure(f"pod network {config.device}: {error} (needs root)") from error
    return mtu


def restore(config: PodNetworkConfig, mtu: int) -> None:
    """The device with its addresses and routes, which go when somebody deletes it. Raises NetworkFailure."""
    try:
        with netlink.RouteSocket() as route:
            _make_device(route, config, mtu)
    except OSError as error:
        raise NetworkFailure(f"pod network {config.device}: {error}") from error


def _make_device(route: netlink.RouteSocket, config: PodNetworkConfig, mtu: int) -> None:
    if not links.has(config.device):
        route.send([netlink.add_bridge(config.device, mtu, mac_of(config.gateway))])
    index = socket.if_nametoindex(config.device)
    if config.gateway_of(IPV6):
        settings.write(settings.IPV6 / "conf" / config.device / "disable_ipv6", "0")
    route.send(_device(index, config, mtu))


def _device(index: int, config: PodNetworkConfig, mtu: int) -> Iterator[netlink.Message]:
    yield netlink.set_up(index, mtu)
    yield from (netlink.add_address(index, gateway) for gateway in config.gateways)
    yield from _routes(index, config)


def _routes(index: int, config: PodNetworkConfig, *, replaces: bool = True) -> Iterator[netlink.Message]:
    """To service addresses, and the ones that refuse what no pod has."""
    for cidr in config.reached:
        if source := config.gateway_of(family_of(cidr)):
            yield netlink.add_route(index, cidr, source=source, replaces=replaces)
    yield from (netlink.add_unreachable(cidr, replaces=replaces) for cidr in config.pod_cidrs)


def mtu_of(config: PodNetworkConfig) -> int:
    """Of pods' links. Raises NetworkFailure."""
    try:
        with netlink.RouteSocket() as route:
            return _mtu(route, config)
    except OSError as error:
        raise NetworkFailure(f"pod network {config.device}: {error}") from error


def _mtu(route: netlink.RouteSocket, config: PodNetworkConfig) -> int:
    """IPv6 works from a size on; packets of that size are cut on a smaller link."""
    return max(config.mtu or _uplink_mtu(route), LEAST_MTU6 if config.gateway_of(IPV6) else 0)


def _uplink_mtu(route: netlink.RouteSocket) -> int:
    for family in FAMILIES:
        index = route.default_route_link(family.number)
        if index is not None:
            return route.link(index).mtu
    return DEFAULT_MTU


def apply_rules(config: PodNetworkConfig, written: WrittenRules) -> None:
    """written: hears of them. Raises NetworkFailure."""
    for family in FAMILIES:
        # A kernel without IPv6 has neither such tables nor such packets.
        if config.gateway_of(family) or nft.takes(rules.table(config, family, rules.Matches())):
            commands = rules.table(config, family, _matches(config, family))
            nft.apply(commands)
            written.note(commands)
    firewall.admit_pods(config.pod_cidrs, config.table, nft.run(["list", "tables"]))
    for table in firewall.foreign_drops(loads(nft.run(["--json", "list", "chains"]))):
        log.warning("a firewall drops forwarded packets: pods reach nothing until it accepts them", table=table)


def _matches(config: PodNetworkConfig, family: Family) -> rules.Matches:
    wanted = rules.Matches()
    if not config.gateway_of(family) or nft.takes(rules.table(config, family, wanted)):
        return wanted
    with netlink.RouteSocket() as route:
        found = rules.Matches.by_address(family, route.addresses(family.number), family.of(config.pod_cidrs))
    if not nft.takes(rules.table(config, family, found)):
        return wanted  # It is something else, which applying the rules tells.
    # For IPv4 the links' rp_filter is left, unless the machine has a looser one for all.
    log.warning("pods may send under each other's addresses: nftables of this kernel lacks CONFIG_NFT_FIB", family=family.nft)
    return found


def is_in_place(written: WrittenRules) -> bool:
    """Firewalls that are loaded anew often flush what is not theirs. Raises OSError."""
    with contextlib.closing(NftState()) as state:
        return written.is_in_place(state)


def has_device(config: PodNetworkConfig) -> bool:
    """With the gateways' addresses and all routes."""
    try:
        index = socket.if_nametoindex(config.device)
    except OSError:
        return False
    families = [family for family in FAMILIES if config.gateway_of(family)]
    with netlink.RouteSocket() as route:
        there = {address for family in families for where, address, _ in route.addresses_of_links(family.number) if where == index}
        routes = list(_routes(index, config, replaces=False))
        return there.issuperset(config.gateways) and len(route.try_all(routes)) == len(routes)


def teardown(config: PodNetworkConfig) -> None:
    """Everything of this instance; then, if no other one is left on the machine, the settings as they were."""
    with contextlib.suppress(OSError), netlink.RouteSocket() as route:
        route.try_all(netlink.delete_link(link.index) for link in links.ours(route, config))
        with contextlib.suppress(OSError):
            route.try_all([netlink.delete_link(socket.if_nametoindex(config.device))])
        route.try_all(netlink.delete_unreachable(cidr) for cidr in config.pod_cidrs)
    for family in (*(each.nft for each in FAMILIES), "bridge"):
        _delete_table(config, family)
    firewall.withdraw(config.table, nft.run(["list", "tables"]))
    if not _other_instances():
        settings.restore(config.shared_state)


def _delete_table(config: PodNetworkConfig, family: str) -> None:
    """One that is not there is no error, nor is a kernel that has no tables of the family."""
    with contextlib.suppress(NetworkFailure):
        nft.apply(rules.delete_table(config.table, family))


def _other_instances() -> bool:
    tables = nft.run(["list", "tables"]).split()
    return any(name.startswith("pilothouse-") and name.endswith("-pod") for name in tables)
