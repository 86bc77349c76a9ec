"""Links and addresses of this machine, as ip(8) lists them. What asks blocks: call it in a thread."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Any

from pilothouse.network.backends.config import Address, Network
from pilothouse.network.backends.table import listed


@dataclass(frozen=True, slots=True)
class Link:
    """networks: of its addresses, with hosts on the link. kind: "" of one that is not virtual."""

    name: str
    mtu: int
    mac: str
    kind: str
    addresses: tuple[Address, ...]
    networks: tuple[Network, ...]
    is_up: bool
    vxlan: "Vxlan | None" = None


@dataclass(frozen=True, slots=True)
class Vxlan:
    vni: int
    port: int
    local: str


def links() -> list[Link]:
    """Raises BackendFailure."""
    return [_link(each) for each in listed("ip", "-json", "-details", "address", "show") if each]


def holder(address: Address, among: list[Link]) -> Link | None:
    """The link that has the address."""
    return next((link for link in among if address in link.addresses), None)


def is_on_link(address: Address, among: list[Link]) -> bool:
    """Whether it is reached without a router."""
    return any(address.version == network.version and address in network for link in among for network in link.networks)


def _link(shown: Any) -> Link:
    info = shown.get("linkinfo") or {}
    data = info.get("info_data") or {}
    held = [each for each in shown.get("addr_info", ()) if each.get("scope") != "link" and "local" in each]
    vxlan = Vxlan(data.get("id", 0), data.get("port", 0), data.get("local") or data.get("local6") or "")
    return Link(
        shown["ifname"],
        shown["mtu"],
        shown.get("address", ""),
        info.get("info_kind", ""),
        tuple(ip_address(each["local"]) for each in held),
        tuple(ip_interface(f"{each['local']}/{each['prefixlen']}").network for each in held),
        "UP" in shown.get("flags", ()),
        vxlan if info.get("info_kind") == "vxlan" else None,
    )
