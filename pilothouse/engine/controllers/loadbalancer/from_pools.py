"""Which addresses of the pools a Service gets. Pure.

A Service keeps what it has for as long as it may have it. What it may not: an address that no pool holds any more that takes it, or that an
older Service has which does not share it. A node that comes and says that the address is its own takes it from no Service.
Source: metallb.io, usage and "Advanced AddressPool configuration".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.engine.controllers.loadbalancer.assignments import Assignments, Claim
from pilothouse.engine.controllers.loadbalancer.node_addresses import Believed
from pilothouse.engine.controllers.loadbalancer.wish import Refused, Wish
from pilothouse.model.address_pools import Pool, Pools
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import Address


@dataclass(frozen=True, slots=True)
class Grant:
    """pool: "" for addresses of nodes. remark: what the Service does not get though others do; "" for nothing."""

    addresses: tuple[Address, ...]
    pool: str = ""
    remark: str = ""


def choose(service: Object, namespace_labels: Mapping[str, str], pools: Pools, given: Assignments, nodes: Believed) -> Grant:
    """given: what the Services have. nodes: what is theirs is given to no Service. Raises Refused."""
    chooser = _Chooser(service, namespace_labels, pools, given, nodes)
    wish = Wish.of(service)
    if wish.addresses:
        return chooser.asked(wish)
    candidates = chooser.candidates(wish)
    kept = chooser.kept(wish, candidates)
    if kept is not None:
        return kept
    versions = [wish.versions] if wish.needs_all else [wish.versions, *((version,) for version in wish.versions)]
    for wanted in versions:
        for pool in candidates:
            if found := chooser.free(pool, wanted):
                return Grant(found, pool.name)
    raise Refused(_full(candidates, wish))


class _Chooser:
    def __init__(self, service: Object, namespace_labels: Mapping[str, str], pools: Pools, given: Assignments, nodes: Believed) -> None:
        self._service = service
        self._labels = namespace_labels
        self._pools = pools
        self._given = given
        self._nodes = nodes
        self._claim = Claim.of(service)
        self._has = given.has(self._claim.service)

    def candidates(self, wish: Wish) -> Sequence[Pool]:
        if wish.pool:
            return [self._named(wish.pool)]
        found = [pool for pool in self._pools.usable if pool.auto_assign and pool.takes(self._service, self._labels)]
        if not found:
            raise Refused(_no_pool(self._pools))
        return found

    def kept(self, wish: Wish, candidates: Iterable[Pool]) -> Grant | None:
        """What the Service has, when it is all that is wanted and it may have it still."""
        for pool in candidates:
            inside = [each for each in self._has if pool.holds(each) and self._may_keep(each)]
            versions = [each.version for each in inside]
            is_enough = set(versions) == set(wish.versions) or (not wish.needs_all and versions)
            if len(inside) == len(self._has) and is_enough and len(set(versions)) == len(versions) and set(versions) <= set(wish.versions):
                return Grant(_ordered(inside, wish.versions), pool.name)
        return None

    def free(self, pool: Pool, versions: Sequence[int]) -> tuple[Address, ...]:
        """One of each family, those that the Service has first; () when there is not one of each."""
        found = []
        for version in versions:
            own = next((each for each in self._has if each.version == version and pool.holds(each) and self._may_keep(each)), None)
            chosen = own or self._shared(pool, version) or self._lowest(pool, version)
            if chosen is None:
                return ()
            found.append(chosen)
        return tuple(found)

    def asked(self, wish: Wish) -> Grant:
        pools = {pool.name: pool for each in wish.addresses if (pool := self._pools.of(each)) is not None}
        shown = " and ".join(str(each) for each in wish.addresses)
        if len(pools) != 1 or not all(self._pools.of(each) for each in wish.addresses):
            raise Refused(f"it asks for {shown}, which no pool holds: add it to an IPAddressPool, or ask for another")
        name, pool = pools.popitem()
        if wish.pool not in ("", name):
            raise Refused(f"it asks for {shown}, which is of pool {name}, and for pool {wish.pool}: leave one of them out")
        if not pool.takes(self._service, self._labels):
            raise Refused(f"it asks for {shown} of pool {name}, which is for other Services: see the pool's serviceAllocation")
        for each in wish.addresses:
            if why := self._hindrance(each):
                raise Refused(f"it asks for {each}, {why}")
        return Grant(_ordered(wish.addresses, wish.versions), name)

    def _named(self, name: str) -> Pool:
        pool = self._pools.named(name)
        if pool is None:
            why = self._pools.problems.get(name)
            raise Refused(f"it asks for pool {name}, which {f'is left out: {why}' if why else 'does not exist'}")
        if not pool.takes(self._service, self._labels):
            raise Refused(f"it asks for pool {name}, which is for other Services: see the pool's serviceAllocation")
        return pool

    def _hindrance(self, address: Address) -> str:
        """Why the Service may not have it; "" when it may."""
        if (node := self._nodes.owners.get(address)) and not self._given.is_of_pool(address):
            return f"which is node {node}'s own: ask for another"
        is_own = address in self._has
        for other in self._given.others(address, self._claim.service):
            if not self._claim.shares(other) and (not is_own or other.age < self._claim.age):
                way_out = "give both the annotation metallb.io/allow-shared-ip and ports that differ, or ask for another"
                return f"which {other.service} has: {way_out}"
        return ""

    def _may_keep(self, address: Address) -> bool:
        return not self._hindrance(address)

    def _lowest(self, pool: Pool, version: int) -> Address | None:
        """The lowest free one of the pool: what the Service has itself it has been offered before."""
        return pool.first_free(version, self._given.numbers(version), self._nodes.numbers[version])

    def _shared(self, pool: Pool, version: int) -> Address | None:
        """The lowest address of the pool that Services have with which this one shares."""
        if not self._claim.sharing:
            return None
        held = (each for each in self._given.shared_by(self._claim.sharing) if each.version == version and pool.holds(each))
        return min((each for each in held if self._may_keep(each)), default=None, key=int)


def _ordered(addresses: Iterable[Address], versions: Sequence[int]) -> tuple[Address, ...]:
    return tuple(sorted(addresses, key=lambda each: versions.index(each.version)))


def _no_pool(pools: Pools) -> str:
    if not pools.usable:
        why = "; ".join(f"{name}: {problem}" for name, problem in list(pools.problems.items())[:3])
        return f"no IPAddressPool is of use: {why or 'they hold no addresses'}"
    names = ", ".join(pool.name for pool in pools.usable[:5])
    return (
        f"no IPAddressPool is meant for it (there are {names}): name one in the annotation metallb.io/address-pool,"
        " or look at autoAssign and serviceAllocation of the pools"
    )


def _full(candidates: Sequence[Pool], wish: Wish) -> str:
    names = ", ".join(pool.name for pool in candidates[:5])
    missing = [version for version in wish.versions if not any(pool.size(version) for pool in candidates)]
    if missing and wish.needs_all:
        families = " and ".join(f"IPv{version}" for version in missing)
        return f"pool {names} has no {families} addresses, and it needs one: add a range, or change spec.ipFamilies"
    return f"no address of pool {names} is free: add a range, or delete Services that need theirs no more"
