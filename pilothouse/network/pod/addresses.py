"""Which addresses of the node's ranges belong to which pod interface.

Not stored anywhere but in the kernel: each pod's link carries its lease in its alias. A lease that was given back keeps its
addresses until the link is gone, for the end of a network namespace takes its time and two pods must never share an address.
"""

import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pilothouse.model.pod_links import LINK_PREFIX

FEW = 10
"""So many addresses left are few, or a tenth of those that there are, where that is less."""


@dataclass(frozen=True, slots=True)
class Lease:
    """addresses: one of each family that the pods have, the primary first. link: the host's end of the pair.

    container, interface: whose it is, in CNI's terms.
    """

    addresses: tuple[str, ...]
    link: str
    container: str
    interface: str

    @property
    def address(self) -> str:
        """The primary one."""
        return self.addresses[0]

    @property
    def alias(self) -> str:
        """At most 170 characters; the kernel takes 255."""
        return f"pod {','.join(self.addresses)} {self.container} {self.interface}"


def parse_alias(link: str, alias: str) -> Lease | None:
    """None for what is no lease's alias, whoever has written it."""
    parts = alias.split(" ")
    if len(parts) != 4 or parts[0] != "pod":
        return None
    try:
        addresses = tuple(str(ipaddress.ip_address(text)) for text in parts[1].split(","))
    except ValueError:
        return None
    return Lease(addresses, link, parts[2], parts[3])


def link_name(instance: str, container: str, interface: str) -> str:
    """The same for the same interface of the same container, so that a repeated request finds what the first one made."""
    digest = hashlib.sha256(f"{instance}/{container}/{interface}".encode()).hexdigest()
    return f"{LINK_PREFIX}{digest[:12]}"


class Exhausted(Exception):
    """No address of a family is free; the text says how many there are, and in which ranges."""


class Ranges:
    """The free addresses of one family, in one range or several.

    Of each range the first two addresses are the network's and the gateway's, and the last one of an IPv4 range is the broadcast's.
    Addresses are handed out in turn, so that one just given back rests as long as possible. Nothing here walks over a range: a search is as
    long as there are addresses taken in a row, at most.
    """

    def __init__(self, cidrs: Sequence[str], taken: Iterable[str] = ()) -> None:
        self.cidrs = tuple(cidrs)
        self._networks = [ipaddress.ip_network(cidr) for cidr in cidrs]
        self._sizes = [max(network.num_addresses - (3 if network.version == 4 else 2), 0) for network in self._networks]
        self.size = sum(self._sizes)
        self._taken = {place for address in taken if (place := self._place(address)) is not None}
        self._next = (max(self._taken) + 1) % self.size if self._taken else 0

    @property
    def left(self) -> int:
        return self.size - len(self._taken)

    @property
    def is_short(self) -> bool:
        return self.left < max(min(FEW, self.size // 10), 1)

    def take(self) -> str:
        """Raises Exhausted."""
        if not self.left:
            raise Exhausted(self.word)
        while self._next in self._taken:
            self._next = (self._next + 1) % self.size
        place = self._next
        self._taken.add(place)
        self._next = (place + 1) % self.size
        return self._address(place)

    def give_back(self, address: str) -> None:
        """One of another range is no error: a node's ranges may have been others when the pod came."""
        place = self._place(address)
        if place is not None:
            self._taken.discard(place)

    @property
    def word(self) -> str:
        """How full it is, for people."""
        version = self._networks[0].version
        state = f"all {self.size}" if not self.left else f"{self.size - self.left} of {self.size}"
        return f"{state} IPv{version} pod addresses of this node are in use (range {', '.join(self.cidrs)})"

    def _address(self, place: int) -> str:
        for network, size in zip(self._networks, self._sizes, strict=True):
            if place < size:
                return str(network.network_address + 2 + place)
            place -= size
        raise IndexError(place)

    def _place(self, text: str) -> int | None:
        address, before = ipaddress.ip_address(text), 0
        for network, size in zip(self._networks, self._sizes, strict=True):
            if address in network:
                offset = int(address) - int(network.network_address) - 2
                return before + offset if 0 <= offset < size else None
            before += size
        return None


class AddressPool:
    """Each pod gets an address of every family. cidrs: the node's ranges, those of the primary family first, several of one at will."""

    def __init__(self, cidrs: Sequence[str], leases: Iterable[Lease] = ()) -> None:
        self._leases = {(lease.container, lease.interface): lease for lease in leases}
        versions = dict.fromkeys(ipaddress.ip_network(cidr).version for cidr in cidrs)
        taken = [address for lease in self._leases.values() for address in lease.addresses]
        self.families = tuple(Ranges([cidr for cidr in cidrs if ipaddress.ip_network(cidr).version == each], taken) for each in versions)

    def __len__(self) -> int:
        return len(self._leases)

    @property
    def leases(self) -> tuple[Lease, ...]:
        return tuple(self._leases.values())

    def of(self, container: str, interface: str) -> Lease | None:
        return self._leases.get((container, interface))

    def lease(self, instance: str, container: str, interface: str) -> Lease:
        """Raises Exhausted, with nothing taken, when a family has no address left."""
        if empty := next((family for family in self.families if not family.left), None):
            raise Exhausted(empty.word)
        addresses = tuple(family.take() for family in self.families)
        lease = Lease(addresses, link_name(instance, container, interface), container, interface)
        self._leases[container, interface] = lease
        return lease

    def free(self, lease: Lease) -> None:
        if self._leases.get((lease.container, lease.interface)) != lease:
            return
        del self._leases[lease.container, lease.interface]
        for family in self.families:
            for address in lease.addresses:
                family.give_back(address)
