"""The network between the nodes of a machine: a bridge on the host, and a pair of links to each further node's namespace.

Nodes reach the world through the host, which masquerades them, other machines included; what pods of the cluster say to each other keeps
its source.
"""

import asyncio
import ipaddress
import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import structlog

from pilothouse.aio.identity import Identity
from pilothouse.cli.further.namespaces import NamespaceFailure, run
from pilothouse.cli.further.place import Place
from pilothouse.model.networks import Network
from pilothouse.model.pod_links import group_of
from pilothouse.network.pod import firewall

log = structlog.get_logger("daemon")
UPLINK = "eth0"
INSPECT_S = 15.0


def ensure_bridge(place: Place) -> None:
    """Raises NamespaceFailure."""
    if not _has_link(place.bridge):
        run(["ip", "link", "add", place.bridge, "type", "bridge"])
    for address in _with_prefixes(place, place.gateways):
        # Nobody else gives out addresses there: without the search for duplicates they work at once.
        run(["ip", "address", "replace", address, "dev", place.bridge, *(["nodad"] if ":" in address else [])])
    run(["ip", "link", "set", place.bridge, "up"])
    run(["nft", "-f", "-"], rules(place))
    firewall.admit(place.bridge, place.table, run(["nft", "list", "tables", "ip"]))


async def keep_bridge(place: Place, ready: asyncio.Event) -> NoReturn:
    """Put back what somebody has taken away, a firewall that was loaded anew perhaps. Raises NamespaceFailure."""
    await asyncio.to_thread(ensure_bridge, place)
    ready.set()
    while True:
        await asyncio.sleep(INSPECT_S)
        if not await asyncio.to_thread(is_in_place, place):
            log.warning("the network between the nodes is not as it was: making it again", bridge=place.bridge)
            await asyncio.to_thread(ensure_bridge, place)


def is_in_place(place: Place) -> bool:
    try:
        socket.if_nametoindex(place.bridge)
        return all(
            f'"{place.bridge}"' in run(["nft", "list", "chain", _table_family(each), place.table, "leave"]) for each in place.networks
        )
    except (OSError, NamespaceFailure):
        return False


def rules(place: Place) -> str:
    """Pods of this machine see a further node under its own address; who is on another machine has no way back to that."""
    return "".join(_rules(place, network) for network in place.networks)


def _rules(place: Place, own: Network) -> str:
    kind = _table_family(own)
    table, multicast = f"{kind} {place.table}", "ff00::/8" if own.version == 6 else "224.0.0.0/4"
    chain = "leave { type nat hook postrouting priority 100; policy accept; }"
    outside = f'oifname != "{place.bridge}" meta oifgroup != {group_of(place.parent.instance)}'
    leave = f"{outside} {kind} saddr {own} {kind} daddr != {{ {own}, {multicast} }} masquerade"
    return f"add table {table}\nadd chain {table} {chain}\nflush chain {table} leave\nadd rule {table} leave {leave}\n"


def _table_family(network: Network) -> str:
    """As nftables and its expressions name it."""
    return "ip6" if network.version == 6 else "ip"


def _with_prefixes(place: Place, addresses: Iterable[str]) -> list[str]:
    return [f"{address}/{network.prefixlen}" for address, network in zip(addresses, place.networks, strict=True)]


def ensure_link(place: Place, holder: Identity) -> None:
    """From the bridge into the namespace, with the node's address and its way out. Raises NamespaceFailure."""
    if not (_has_link(place.link) and _has_link(UPLINK, holder)):
        with suppress(NamespaceFailure):
            run(["ip", "link", "delete", place.link])
        run(["ip", "link", "add", place.link, "type", "veth", "peer", "name", UPLINK, "netns", str(holder.pid)])
    run(["ip", "link", "set", place.link, "master", place.bridge, "up"])
    # A Service of another node may lead back to the node that asks. Where bridges hand packets to the rules of IP (br_netfilter), such a
    # packet goes out by the port it has come in by, which bridges do not allow by themselves.
    run(["ip", "link", "set", place.link, "type", "bridge_slave", "hairpin", "on"])
    inside = [
        "link set lo up",
        f"link set {UPLINK} up",
        *(f"address replace {each} dev {UPLINK}{' nodad' if ':' in each else ''}" for each in _with_prefixes(place, place.addresses)),
        *(f"route replace {'::/0' if ':' in gateway else 'default'} via {gateway} dev {UPLINK}" for gateway in place.gateways),
    ]
    run(["ip", "-batch", "-"], "\n".join(inside) + "\n", inside=holder)


def ensure_resolver(place: Place, holder: Identity, server: str) -> None:
    """A name server of the host's loopback does not answer in the namespace: there the first node's DNS stands in.

    server: its address. Raises NamespaceFailure.
    """
    if not has_loopback_server(Path("/etc/resolv.conf")):
        return
    place.resolv_conf.write_text(f"nameserver {server}\n")
    if str(place.resolv_conf) not in run(["cat", "/proc/self/mountinfo"], inside=holder):
        run(["mount", "--bind", str(place.resolv_conf), "/etc/resolv.conf"], inside=holder)


def has_loopback_server(resolv_conf: Path) -> bool:
    try:
        lines = resolv_conf.read_text().splitlines()
    except OSError:
        return False
    servers = [line.split()[1] for line in lines if line.startswith("nameserver ")]
    return any(_is_loopback(server) for server in servers)


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _has_link(name: str, inside: Identity | None = None) -> bool:
    return any(link["ifname"] == name for link in json.loads(run(["ip", "-json", "link"], inside=inside)))


def remove_link(place: Place) -> None:
    with suppress(NamespaceFailure):
        run(["ip", "link", "delete", place.link])


def remove_bridge(bridge: str, table: str) -> None:
    """What nodes of an instance have in common on the host. What is gone already is no error."""
    with suppress(NamespaceFailure):
        run(["ip", "link", "delete", bridge])
    for kind in ("ip", "ip6"):
        with suppress(NamespaceFailure):  # A kernel without IPv6 has no such tables.
            run(["nft", "-f", "-"], f"add table {kind} {table}\ndelete table {kind} {table}\n")
    firewall.withdraw(table, run(["nft", "list", "tables", "ip"]))
