"""The edge to the kernel's tunnels. Everything here blocks: call it in a thread."""

import hashlib
from collections.abc import Mapping
from typing import Any

import structlog

from pilothouse.network.backends import reverse_path, table
from pilothouse.network.backends.config import Address, BackendConfig
from pilothouse.network.backends.links import Link, Vxlan, holder, links
from pilothouse.network.backends.seam import BackendFailure, Peer, View
from pilothouse.network.backends.table import batch, ip, listed
from pilothouse.network.backends.vxlan import guard
from pilothouse.network.backends.vxlan.plan import Ends, Setting, Wanted, gateway

__all__ = ["apply", "ensure_link", "links", "older_links", "remove_links", "teardown"]

log = structlog.get_logger("network.backends")
LINKS = ("phv", "phw")
"""Two names, so that there is room for a link with another VNI or port beside the one before it."""
DEFAULT_MTU = 1500


def names(config: BackendConfig) -> list[str]:
    return [f"{prefix}-{config.instance}" for prefix in LINKS]


def mac_of(config: BackendConfig) -> str:
    """The same after every restart: others have it in their tables. Locally administered, of one station."""
    digest = hashlib.sha256(f"{config.instance}/{config.node}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def ensure_link(view: View, setting: Setting, config: BackendConfig) -> Ends:
    """Raises BackendFailure, where another program has a tunnel of that VNI and port, too."""
    assert view.own is not None
    local = _underlay(view.own, config)
    there = links()
    mine = {link.name: link for link in there if link.name in names(config) and link.vxlan is not None}
    wanted = Vxlan(setting.vni, setting.port, str(local))
    name = next((name for name, link in mine.items() if link.vxlan == wanted and link.mac == mac_of(config)), "")
    if not name:
        name = _free_name(mine, wanted, config)
        _add(name, wanted, config)
        mine.pop(name, None)
    _adjust(name, mine.get(name), _mtu(view, local, there), view.own, wanted.port)
    reverse_path.loosen(name)
    return Ends(name, mac_of(config), local, setting)


def _underlay(own: Peer, config: BackendConfig) -> Address:
    """Tunnels run between hosts' addresses of the family that is first in the cluster, or of the other one where they have no such."""
    version = config.clusters[0].version
    found = own.address(version) or own.address(10 - version)
    if found is None:
        raise BackendFailure("this node has no address of type InternalIP, where tunnels could end")
    return found


def _free_name(mine: Mapping[str, Link], wanted: Vxlan, config: BackendConfig) -> str:
    """A link with the same VNI and port but another address makes room: the kernel allows only one."""
    for name, link in mine.items():
        if link.vxlan is not None and (link.vxlan.vni, link.vxlan.port) == (wanted.vni, wanted.port):
            remove_links({Setting(wanted.vni, wanted.port): name})
            return name
    free = [name for name in names(config) if name not in mine]
    if not free:
        ip("link", "delete", names(config)[0])
        return names(config)[0]
    return free[0]


def _add(name: str, wanted: Vxlan, config: BackendConfig) -> None:
    words = ["type", "vxlan", "id", str(wanted.vni), "dstport", str(wanted.port), "local", wanted.local, "nolearning"]
    try:
        ip("link", "add", name, "address", mac_of(config), *words)
    except BackendFailure as failure:
        if "exists" in str(failure):
            taken = f"VNI {wanted.vni} and port {wanted.port} are those of a tunnel that another program has on this machine"
            raise BackendFailure(f"{taken}: give the cluster others with `ph network set --vni` or `--vxlan-port`") from failure
        raise
    ip("link", "set", name, "addrgenmode", "none")
    log.info("tunnel made", link=name, vni=wanted.vni, port=wanted.port, local=wanted.local)


def _mtu(view: View, local: Address, there: list[Link]) -> int:
    under = holder(local, there)
    room = (under.mtu if under is not None else DEFAULT_MTU) - (50 if local.version == 4 else 70)
    return min(room, view.spec["mtu"] or room)


def _adjust(name: str, link: Link | None, mtu: int, own: Peer, port: int) -> None:
    addresses = {f"{gateway(network)}/{network.max_prefixlen}" for network in own.pod_cidrs}
    held = {f"{each}/{each.max_prefixlen}" for each in link.addresses} if link is not None else set()
    # Addresses of IPv6 are taken by a link that is up only.
    commands = [f"link set {name} mtu {mtu} up"] if link is None or link.mtu != mtu or not link.is_up else []
    commands += [f"address delete {each} dev {name}" for each in held - addresses]
    commands += [f"address add {each} dev {name}{' nodad' if ':' in each else ''}" for each in addresses - held]
    try:
        batch("ip", commands)
    except BackendFailure as failure:
        if "Address already in use" in str(failure):
            taken = f"UDP port {port} is in use on this machine (`ss -ulpn` says by which program)"
            raise BackendFailure(f"{taken}: give the cluster another one with `ph network set --vxlan-port`") from failure
        raise


def older_links(current: str, config: BackendConfig) -> dict[Setting, str]:
    found = [link for link in links() if link.name in names(config) and link.name != current]
    return {Setting(link.vxlan.vni, link.vxlan.port): link.name for link in found if link.vxlan is not None}


def apply(wanted: Wanted, config: BackendConfig) -> dict[str, str]:
    """Why routes were refused, by node. Entries first, so that no packet meets a route without them; what is left over goes last."""
    left_over = []
    for link, neighbours in wanted.neighbours.items():
        there = _neighbours(link)
        new = [f"neighbour replace {address} lladdr {mac} dev {link} nud permanent" for address, mac in neighbours.items()]
        batch("ip", [line for line, (address, mac) in zip(new, neighbours.items(), strict=True) if there.get(address) != mac])
        left_over += [f"neighbour delete {address} dev {link}" for address in there if address not in neighbours]
    stale = []
    for link, forwarding in wanted.forwarding.items():
        known = _forwarding(link)
        new = [f"fdb replace {mac} dev {link} dst {address} self permanent" for mac, address in forwarding.items()]
        batch("bridge", [line for line, (mac, address) in zip(new, forwarding.items(), strict=True) if known.get(mac) != address])
        stale += [f"fdb delete {mac} dev {link} dst {address} self" for mac, address in known.items() if mac not in forwarding]
    refused = table.reconcile(wanted.routes, config, table.VXLAN)
    batch("ip", left_over)
    batch("bridge", stale)
    return refused


def _neighbours(link: str) -> dict[str, str]:
    found: list[Any] = []
    for family in ("-4", "-6"):
        found += listed("ip", "-json", family, "neighbour", "show", "dev", link, "nud", "permanent")
    return {each["dst"]: each.get("lladdr", "") for each in found if not each["dst"].startswith("ff")}


def _forwarding(link: str) -> dict[str, str]:
    found = listed("bridge", "-json", "fdb", "show", "dev", link)
    return {each["mac"]: each["dst"] for each in found if "dst" in each and each["mac"] != "00:00:00:00:00:00"}


def remove_links(older: Mapping[Setting, str]) -> None:
    for name in older.values():
        ip("link", "delete", name)
        log.info("tunnel removed", link=name)


def teardown(config: BackendConfig) -> None:
    """Raises BackendFailure."""
    table.withdraw(config, table.VXLAN)
    remove_links({Setting(0, index): link.name for index, link in enumerate(links()) if link.name in names(config)})
    guard.remove(config)
