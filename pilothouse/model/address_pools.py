"""Address pools as they are meant: which addresses, for which Services. Pure.

A pool that is of no use is left out as a whole and named: one that overlaps an older pool, a network of the cluster's own, whose addresses
no packet from outside may be led to, or addresses that no machine is reached by: a node's own loopback among them.
Source: metallb/metallb internal/config, internal/allocator.
"""

import ipaddress
import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta, selector
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import Address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
BUGGY = (0, 255)
"""Last bytes of IPv4 addresses that some routers take for networks and broadcasts (avoidBuggyIPs)."""


@dataclass(frozen=True, slots=True)
class Range:
    """first, last: addresses as numbers, both included. version: 4 or 6."""

    version: int
    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> "Range":
        """A network or FIRST-LAST. Raises ValueError."""
        if "-" not in text:
            network = ipaddress.ip_network(text.strip(), strict=False)
            return cls(network.version, int(network[0]), int(network[-1]))
        first, last = (ipaddress.ip_address(part.strip()) for part in text.split("-", 1))
        if first.version != last.version or int(first) > int(last):
            raise ValueError(f"{text!r} is no range from a lower to a higher address of one family")
        return cls(first.version, int(first), int(last))

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def holds(self, address: Address) -> bool:
        return address.version == self.version and self.first <= int(address) <= self.last

    def overlaps(self, other: "Range") -> bool:
        return self.version == other.version and self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        return f"{_address(self.version, self.first)}-{_address(self.version, self.last)}"


@dataclass(frozen=True, slots=True)
class Pool:
    """selectors: a Service is taken when one of each kind that is stated holds; namespaces by name count as a namespace selector."""

    name: str
    ranges: tuple[Range, ...]
    auto_assign: bool = True
    avoid_buggy: bool = False
    priority: float = math.inf
    namespaces: frozenset[str] = frozenset()
    namespace_selectors: tuple[selector.Selector, ...] = ()
    service_selectors: tuple[selector.Selector, ...] = ()

    def holds(self, address: Address) -> bool:
        is_buggy = self.avoid_buggy and address.version == 4 and int(address) & 0xFF in BUGGY
        return not is_buggy and any(each.holds(address) for each in self.ranges)

    def takes(self, service: Object, namespace_labels: Mapping[str, str]) -> bool:
        if self.namespaces or self.namespace_selectors:
            is_named = meta.namespace(service) in self.namespaces
            if not is_named and not any(each.matches(namespace_labels) for each in self.namespace_selectors):
                return False
        return not self.service_selectors or any(each.matches(meta.labels(service)) for each in self.service_selectors)

    def size(self, version: int) -> int:
        return sum(each.size - (_buggy(each) if self.avoid_buggy else 0) for each in self.ranges if each.version == version)

    def first_free(self, version: int, given: Collection[int], barred: Collection[int] = ()) -> Address | None:
        """The lowest one whose number is in neither. As many steps as addresses before it are, 0.1 us each."""
        for each in self.ranges:
            number = each.first
            while each.version == version and number <= each.last:
                if number not in given and number not in barred and not (self.avoid_buggy and version == 4 and number & 0xFF in BUGGY):
                    return _address(version, number)
                number += 1
        return None


@dataclass(frozen=True, slots=True)
class Pools:
    """usable: by priority and name, without two that have an address both. problems: by the name of the pool, why it is left out.

    given: whether there is any pool object.
    """

    usable: tuple[Pool, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    given: bool = False
    _places: Sequence[tuple[tuple[int, int], Pool]] = field(init=False, repr=False, compare=False)
    """Pools by where each of their ranges begins: family and number."""

    def __post_init__(self) -> None:
        found = [((each.version, each.first), pool) for pool in self.usable for each in pool.ranges]
        object.__setattr__(self, "_places", sorted(found, key=_beginning))

    def named(self, name: str) -> Pool | None:
        return next((pool for pool in self.usable if pool.name == name), None)

    def of(self, address: Address) -> Pool | None:
        wanted: tuple[int, int] = address.version, int(address)
        place = bisect_right(self._places, wanted, key=_beginning)
        pool = self._places[place - 1][1] if place else None
        return pool if pool is not None and pool.holds(address) else None


def read(objects: Sequence[Object], own_networks: Iterable[Network]) -> Pools:
    """objects: IPAddressPools. own_networks: of pods and Services."""
    usable: list[Pool] = []
    problems: dict[str, str] = {}
    own = [(_range(each), f"the cluster's own network {each}") for each in own_networks]
    for obj in sorted(objects, key=lambda each: (str(each["metadata"].get("creationTimestamp")), meta.name(each))):
        try:
            pool = parse(obj)
        except (ValueError, selector.SelectorError) as error:
            problems[meta.name(obj)] = f"it is not understood: {error}"
            continue
        if why := _clash(pool, usable, own):
            problems[pool.name] = why
        else:
            usable.append(pool)
    return Pools(tuple(sorted(usable, key=lambda pool: (pool.priority, pool.name))), problems, bool(objects))


def parse(obj: Object) -> Pool:
    """Raises ValueError (SelectorError is one)."""
    spec = obj.get("spec") or {}
    for_whom = spec.get("serviceAllocation") or {}
    return Pool(
        meta.name(obj),
        tuple(Range.parse(text) for text in spec.get("addresses") or ()),
        auto_assign=spec.get("autoAssign") is not False,
        avoid_buggy=bool(spec.get("avoidBuggyIPs")),
        priority=for_whom.get("priority") or math.inf,
        namespaces=frozenset(for_whom.get("namespaces") or ()),
        namespace_selectors=tuple(_selectors(for_whom.get("namespaceSelectors"))),
        service_selectors=tuple(_selectors(for_whom.get("serviceSelectors"))),
    )


def _beginning(place: tuple[tuple[int, int], Pool]) -> tuple[int, int]:
    return place[0]


def _selectors(found: Sequence[Object] | None) -> Iterator[selector.Selector]:
    return (selector.from_label_selector(each) for each in found or ())


def _range(network: Network) -> Range:
    return Range(network.version, int(network[0]), int(network[-1]))


_NOBODYS = [
    (_range(ipaddress.ip_network(network)), f"{network}, whose addresses reach no machine ({why})")
    for network, why in (
        ("0.0.0.0/8", "this network"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/127", "loopback"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
]


def _clash(pool: Pool, others: Iterable[Pool], own: Sequence[tuple[Range, str]]) -> str:
    """own: ranges that are no pool's, and how they are shown."""
    ranges = pool.ranges
    for number, each in enumerate(ranges):
        for network, shown in (*own, *_NOBODYS):
            if each.overlaps(network):
                return f"{each} overlaps {shown}: take addresses outside of it"
        for other in ranges[number + 1 :]:
            if each.overlaps(other):
                return f"its ranges {each} and {other} overlap: leave one of them out"
        for older in others:
            for other in older.ranges:
                if each.overlaps(other):
                    return f"{each} overlaps {other} of the older pool {older.name}: an address belongs to one pool"
    return ""


def _address(version: int, number: int) -> Address:
    return ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number)


def _buggy(found: Range) -> int:
    """How many of its addresses end in .0 or .255."""
    if found.version != 4:
        return 0
    return sum((found.last - last) // 256 - (found.first - 1 - last) // 256 for last in BUGGY)
