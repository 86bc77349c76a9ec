"""Which address of the node's pod CIDR belongs to which pod interface.

Not stored anywhere but in the kernel: each pod's link carries its lease in its alias. A lease that was given back keeps its
address until the link is gone, for the end of a network namespace takes its time and two pods must never share an address.
"""

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

LINK_PREFIX = "ph"


@dataclass(frozen=True, slots=True)
class Lease:
    """link: the host's end of the pair. container, interface: whose it is, in CNI's terms."""

    address: str
    link: str
    container: str
    interface: str

    @property
    def alias(self) -> str:
        return f"pod {self.address} {self.container} {self.interface}"


def parse_alias(link: str, alias: str) -> Lease | None:
    parts = alias.split(" ")
    if len(parts) != 4 or parts[0] != "pod":
        return None
    return Lease(parts[1], link, parts[2], parts[3])


def link_name(instance: str, container: str, interface: str) -> str:
    """The same for the same interface of the same container, so that a repeated request finds what the first one made."""
    digest = hashlib.sha256(f"{instance}/{container}/{interface}".encode()).hexdigest()
    return f"{LINK_PREFIX}{digest[:12]}"


def mac_of(address: str) -> str:
    """Follows from the address, so that no neighbour's cache is wrong when the address passes to another pod."""
    return "0a:58:" + ipaddress.IPv4Address(address).packed.hex(":")


class Exhausted(Exception):
    """No address of the CIDR is free."""


class AddressPool:
    """The first two addresses and the last one are the network's, the gateway's and the broadcast's.

    Addresses are handed out in turn, so that one just given back rests as long as possible.
    """

    def __init__(self, cidr: str, leases: Iterable[Lease] = ()) -> None:
        network = ipaddress.IPv4Network(cidr)
        self._first = int(network.network_address) + 2
        self._size = max(network.num_addresses - 3, 0)
        self._leases = {lease.address: lease for lease in leases}
        highest = max((int(ipaddress.IPv4Address(address)) for address in self._leases), default=self._first - 1)
        self._next = (highest + 1 - self._first) % self._size if self._size else 0

    def __len__(self) -> int:
        return len(self._leases)

    @property
    def leases(self) -> tuple[Lease, ...]:
        return tuple(self._leases.values())

    def of(self, container: str, interface: str) -> Lease | None:
        for lease in self._leases.values():
            if lease.container == container and lease.interface == interface:
                return lease
        return None

    def lease(self, instance: str, container: str, interface: str) -> Lease:
        """Raises Exhausted."""
        for step in range(self._size):
            offset = (self._next + step) % self._size
            address = str(ipaddress.IPv4Address(self._first + offset))
            if address not in self._leases:
                self._next = (offset + 1) % self._size
                lease = Lease(address, link_name(instance, container, interface), container, interface)
                self._leases[address] = lease
                return lease
        raise Exhausted(f"all {self._size} pod addresses of this node are in use")

    def free(self, lease: Lease) -> None:
        self._leases.pop(lease.address, None)
