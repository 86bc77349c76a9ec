"""Nodes and views for the pure parts."""

from ipaddress import ip_address, ip_network
from typing import Any

from pilothouse.model.json import Object
from pilothouse.network.backends.seam import Peer, View


def node(number: int, *, through: str = "", labels: dict[str, str] | None = None, families: str = "46", **annotations: str) -> Peer:
    name = f"n{number}"
    addresses = [f"192.0.2.{number}"] * ("4" in families) + [f"2001:db8::{number}"] * ("6" in families)
    cidrs = [f"10.244.{number}.0/24"] * ("4" in families) + [f"fd00:10:244:{number}::/64"] * ("6" in families)
    found: Object = {
        "kind": "Node",
        "metadata": {"name": name, "labels": labels or {}, "annotations": annotations},
        "status": {
            "addresses": [{"type": "InternalIP", "address": each} for each in addresses],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    reached = tuple(ip_address(each) for each in addresses)
    return Peer(name, tuple(ip_network(each) for each in cidrs), reached, through or name, found)


def view(own: Peer, *others: Peer, **bgp: Any) -> View:
    return View(own, {each.name: each for each in others}, {"backend": "BGP", "bgp": bgp})
