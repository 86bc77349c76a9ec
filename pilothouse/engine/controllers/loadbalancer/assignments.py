"""Which Service has which address, as their statuses say: what has been given out is kept nowhere else. Pure.

Of two Services that may not have one address both, the older one keeps it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import (
    ALLOCATED_FROM,
    GROUP,
    SHARING,
    Address,
    annotation,
    ingress_addresses,
    is_balanced,
    is_local,
    port_names,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What of a Service decides whether it may have an address. age: of two claims the lower one is older.

    pool: from which it has its addresses, as the controller has noted it; "" for those of nodes.
    """

    service: str
    age: tuple[str, str]
    ports: frozenset[str]
    sharing: str
    is_local: bool
    selector: frozenset[tuple[str, str]]
    pool: str

    @classmethod
    def of(cls, service: Object) -> "Claim":
        spec = service.get("spec") or {}
        age = (str(service["metadata"].get("creationTimestamp") or ""), meta.uid(service))
        chosen = frozenset((spec.get("selector") or {}).items())
        pool = str(meta.annotations(service).get(f"{GROUP}/{ALLOCATED_FROM}") or "")
        return cls(meta.key(service), age, port_names(service), annotation(service, SHARING), is_local(service), chosen, pool)

    def shares(self, other: "Claim") -> bool:
        """Whether both may have an address of a pool. Source: metallb.io, usage, "IP address sharing"."""
        if not self.sharing or self.sharing != other.sharing or self.ports & other.ports:
            return False
        return self.selector == other.selector if self.is_local or other.is_local else True


class Assignments:
    """Owned by one controller. Services by their keys."""

    def __init__(self) -> None:
        self._addresses: dict[str, frozenset[Address]] = {}
        self._claims: dict[Address, dict[str, Claim]] = {}
        self._ports: dict[tuple[Address, str], dict[str, Claim]] = {}
        self._sharing: dict[str, Counter[Address]] = {}
        self._numbers: dict[int, set[int]] = {4: set(), 6: set()}

    def put(self, service: Object) -> bool:
        """Note what the Service has now. Returns whether these are other addresses than before."""
        key = meta.key(service)
        now = frozenset(ingress_addresses(service)) if is_balanced(service) and not meta.is_deleting(service) else frozenset()
        is_changed = self.has(key) != now
        self.remove(key)
        if now:
            claim = Claim.of(service)
            self._addresses[key] = now
            for address in now:
                self._claims.setdefault(address, {})[key] = claim
                for port in claim.ports:
                    self._ports.setdefault((address, port), {})[key] = claim
                self._numbers[address.version].add(int(address))
                if claim.sharing:
                    self._sharing.setdefault(claim.sharing, Counter())[address] += 1
        return is_changed

    def remove(self, key: str) -> bool:
        """Forget the Service. Returns whether it had an address."""
        before = self._addresses.pop(key, frozenset())
        for address in before:
            holders = self._claims[address]
            claim = holders.pop(key)
            self._unshare(claim.sharing, address)
            for port in claim.ports:
                at_port = self._ports[address, port]
                del at_port[key]
                if not at_port:
                    del self._ports[address, port]
            if not holders:
                del self._claims[address]
                self._numbers[address.version].discard(int(address))
        return bool(before)

    def has(self, key: str) -> frozenset[Address]:
        return self._addresses.get(key, frozenset())

    def others(self, address: Address, key: str) -> Iterator[Claim]:
        """Claims of Services other than that one."""
        return (claim for service, claim in self._claims.get(address, {}).items() if service != key)

    def rivals(self, address: Address, claim: Claim) -> Iterator[Claim]:
        """Claims of other Services at that address to one of its ports."""
        for port in claim.ports:
            yield from (other for service, other in self._ports.get((address, port), {}).items() if service != claim.service)

    def is_of_pool(self, address: Address) -> bool:
        """Whether a Service has it from a pool."""
        return any(claim.pool for claim in self._claims.get(address, {}).values())

    def shared_by(self, sharing: str) -> Iterable[Address]:
        """Addresses of Services with that sharing key."""
        return self._sharing.get(sharing, {}).keys()

    def _unshare(self, sharing: str, address: Address) -> None:
        if sharing:
            counts = self._sharing[sharing]
            counts[address] -= 1
            if not counts[address]:
                del counts[address]
            if not counts:
                del self._sharing[sharing]

    def numbers(self, version: int) -> set[int]:
        """Of the addresses of that family that anybody has; not to be changed."""
        return self._numbers[version]

    def addresses(self) -> Iterator[Address]:
        return iter(self._claims)
