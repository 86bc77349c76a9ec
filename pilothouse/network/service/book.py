"""The table of one IP family as it should be, kept service by service, and the nft transactions that bring it there. Pure text.

Invariant: after `change` the book is what the kernel has once the returned commands have run; if they fail, `whole` is the way
back. No two services claim the same address and port: the first one keeps it. A change costs what the services in it have.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from pilothouse.network.service.affinity import MOST_CLIENTS
from pilothouse.network.service.chains import (
    ALLOWED,
    ENDPOINTS,
    LOCAL_BASE,
    NODE_PORT_ENDPOINTS,
    NODE_PORT_PICKS,
    PICKS,
    is_pick,
    numbered,
)
from pilothouse.network.service.config import FamilyConfig
from pilothouse.network.service.endpoints import Target
from pilothouse.network.service.plan import NOTHING, Fragment, Where
from pilothouse.network.service.table import CHAINS, FRONTENDS, NODE_PORTS, SELF, elements, frame, removed

MOST_IDLE, MOST_IDLE_RULES = 32, 4096
"""Chains that nobody needs just now, and all their rules."""
FILLED = (CHAINS, FRONTENDS, NODE_PORTS, ALLOWED, PICKS, NODE_PORT_PICKS, ENDPOINTS, NODE_PORT_ENDPOINTS)
"""Maps and sets with elements of services."""

Elements = dict[tuple[str, str], str]
"""Map or set, and key -> value, "" for those of sets."""


class Client(NamedTuple):
    """One that a table remembers. where: the frontend that it asked, with its address also for node ports. is_local: whether it was led
    as the traffic policy Local wants it. left_s: how long it is remembered if it does not come again."""

    address: str
    where: Where
    target: Target
    is_local: bool
    left_s: int


class RuleBook:
    """Owned by one thread."""

    def __init__(self, config: FamilyConfig) -> None:
        self.config = config
        self._table = f"{config.family.name} {config.table}"
        self.size = 0
        """Elements that services have in maps, whoever claims what."""
        self._fragments: dict[str, Fragment] = {}
        self._claims: dict[Where, dict[str, None]] = {}
        self._numbered: dict[tuple[str, str], tuple[Target, ...]] = {}
        self._chains: Counter[str] = Counter()
        self._present: dict[str, int] = {}
        self._client_sets: set[str] = set()
        self._idle: dict[str, None] = {}
        self._verdicts: Counter[str] = Counter()
        self._numbers = _Numbers()
        self._addresses: Counter[str] = Counter()
        self._leaving: Counter[str] = Counter()

    @property
    def fragments(self) -> Mapping[str, Fragment]:
        """Those of all services, by `namespace/name`."""
        return self._fragments

    def get(self, service: str) -> Fragment:
        return self._fragments.get(service, NOTHING)

    def is_routed(self, address: str) -> bool:
        """To an endpoint that is not terminating: of others no change to come would take traffic away, so there is nothing that anybody
        could wait for."""
        return address in self._addresses and address not in self._leaving

    def leads_to(self, address: str) -> bool:
        """Also as the last resort."""
        return address in self._addresses

    def targets(self, where: Where) -> frozenset[Target]:
        """Where flows to a frontend lead now, by the service that has it; nowhere when none has."""
        owner = self._owner(where)
        return frozenset() if owner is None else self._fragments[owner].targets(where)

    def put(self, wanted: Mapping[str, Fragment]) -> None:
        """As `change` for a table that is written as a whole afterwards."""
        for service, fragment in wanted.items():
            self._put(service, fragment)

    def change(self, wanted: Mapping[str, Fragment]) -> str:
        """Commands of one transaction from the present state to the one with these services changed; "" when nothing differs."""
        old = [self.get(service) for service in wanted]
        concerned = _Concerned.of([*old, *wanted.values()])
        before, routed = self._elements(concerned), self._present_addresses(concerned)
        self.put(wanted)
        after, routes = self._elements(concerned), self._present_addresses(concerned)
        rules = {name: rules for fragment in wanted.values() for name, rules in fragment.chains.items()}
        added, gone = [name for name in rules if name not in self._present], self._gone(concerned.chains)
        self._present.update((name, len(rules[name])) for name in added)
        for name in gone:
            self._present.pop(name, None)
        sets = _client_sets(wanted.values()) - self._client_sets
        self._client_sets |= sets
        return "\n".join(
            [
                *(self._add_client_set(name) for name in sorted(sets)),
                *self._add_chains({name: rules[name] for name in added}),
                *self._element_changes("delete", _without(before, after)),
                *self._element_changes("add", _without(after, before)),
                # Emptied first: those that go may lead to each other.
                *(f"flush chain {self._table} {name}" for name in gone),
                *(f"delete chain {self._table} {name}" for name in gone),
                *self._self_changes("delete", routed - routes),
                *self._self_changes("add", routes - routed),
                "",
            ]
        ).lstrip("\n")

    def whole(self, node_addresses: Iterable[str], remembered: Mapping[str, Sequence[Client]] = MappingProxyType({})) -> str:
        """Commands that replace the table, whatever it holds, in one transaction.

        remembered: clients by the set that they are in; those whose endpoint is none any more are passed over.
        """
        rules = {name: rules for fragment in self._fragments.values() for name, rules in fragment.chains.items()}
        self._present, self._idle = {name: len(each) for name, each in rules.items()}, {}
        self._client_sets = self.client_sets
        lines = [*removed(self.config.family, self.config.table), *frame(self.config, node_addresses)]
        lines += [self._add_client_set(name) for name in sorted(self._client_sets)]
        lines += self._add_chains(rules)
        lines += self._element_changes("add", self._elements(_Concerned(self._claims, self._verdicts)))
        lines += self._self_changes("add", self._addresses)
        for name in sorted(self._client_sets & remembered.keys()):
            lines += self._shown("add", name, [shown for client in remembered[name] if (shown := self._remembered(name, client))])
        return "\n".join(lines) + "\n"

    @property
    def client_sets(self) -> set[str]:
        """Those that services need."""
        return _client_sets(self._fragments.values())

    def _remembered(self, name: str, client: Client) -> str:
        """As an element of the set of this name; "" when nothing leads the client to the endpoint any more."""
        where = client.where
        found = next((each for each in (where, Where("", where.protocol, where.port)) if self._owner(each) is not None), where)
        fragment = self.get(self._owner(found) or "")
        affinity, frontend = fragment.affinity, fragment.frontends.get(found)
        if affinity is None or frontend is None or affinity.clients != name or not 0 < client.left_s <= affinity.seconds:
            return ""
        for pool, base in frontend.pools:
            seat = fragment.seats[pool].get(client.target)
            if seat is not None and (base == LOCAL_BASE) == client.is_local:
                key = f"{client.address} . {_key(where)} . {numbered(base + seat)}"
                return f"{key} timeout {affinity.seconds}s expires {client.left_s}s"
        return ""

    def _put(self, service: str, fragment: Fragment) -> None:
        old = self.get(service)
        for where in old.frontends:
            if where not in fragment.frontends:
                self._give_up(where, service)
        for where in fragment.frontends:
            self._claims.setdefault(where, {}).setdefault(service)
        for name in {**old.pools, **fragment.pools}:
            self._renumber(service, name, fragment.pools.get(name, ()))
        self.size += _size(fragment) - _size(old)
        _recount(self._verdicts, _verdicts(old), _verdicts(fragment))
        for verdict in dict.fromkeys([*_verdicts(old), *_verdicts(fragment)]):
            self._numbers.keep(verdict, is_used=verdict in self._verdicts)
        _recount(self._chains, old.chains, fragment.chains)
        _recount(self._addresses, old.addresses, fragment.addresses)
        _recount(self._leaving, old.leaving, fragment.leaving)
        if fragment == NOTHING:
            self._fragments.pop(service, None)
        else:
            self._fragments[service] = fragment

    def _give_up(self, where: Where, service: str) -> None:
        """The next one that claims it, if there is one, has it from now on."""
        claims = self._claims[where]
        claims.pop(service, None)
        if not claims:
            del self._claims[where]

    def _owner(self, where: Where) -> str | None:
        return next(iter(self._claims.get(where, ())), None)

    def _renumber(self, service: str, pool: str, wanted: tuple[Target, ...]) -> None:
        if wanted:
            self._numbered[service, pool] = renumbered(self._numbered.get((service, pool), ()), wanted)
        else:
            self._numbered.pop((service, pool), None)

    def _elements(self, concerned: "_Concerned") -> Elements:
        """Of frontends that somebody has, and of verdicts that somebody needs."""
        found: Elements = {}
        for verdict in concerned.verdicts:
            if verdict in self._verdicts:
                found[CHAINS, numbered(self._numbers.of(verdict))] = verdict
        for where in concerned.frontends:
            owner = self._owner(where)
            if owner is not None:
                found |= self._frontend(where, owner)
        return found

    def _frontend(self, where: Where, owner: str) -> Elements:
        fragment, key = self._fragments[owner], _key(where)
        frontend = fragment.frontends[where]
        found = {(FRONTENDS if where.address else NODE_PORTS, key): numbered(self._numbers.of(frontend.verdict))}
        found |= {(ALLOWED, f"{key} . {network}"): "" for network in frontend.networks}
        endpoints, picks = (ENDPOINTS, PICKS) if where.address else (NODE_PORT_ENDPOINTS, NODE_PORT_PICKS)
        for pool, base in frontend.pools:
            seats = fragment.seats.get(pool)
            for number, target in enumerate(self._numbered[owner, pool], start=base):
                place = numbered(number)
                if seats is not None:
                    place = numbered(base + seats[target])
                    found[picks, f"{key} . {numbered(number)}"] = place
                found[endpoints, f"{key} . {place}"] = f"{target[0]} . {target[1]}"
        return found

    def _present_addresses(self, concerned: "_Concerned") -> set[str]:
        return {address for address in concerned.addresses if address in self._addresses}

    def _gone(self, names: Iterable[str]) -> list[str]:
        """Of these chains, those that are in the table and that nobody needs. Some that any service may need again are left, because adding
        a chain is what costs most."""
        # What leads to others goes before these: stay, known, keep.
        for name in sorted(names, reverse=True):
            self._idle.pop(name, None)
            if not self._chains[name] and name in self._present:
                self._idle[name] = None
        kept = self._kept()
        gone = [name for name in self._idle if name not in kept]
        self._idle = dict.fromkeys(kept)
        return gone

    def _kept(self) -> list[str]:
        """The latest of the idle chains: what leads to others came first, and goes first."""
        kept: list[str] = []
        rules = 0
        for name in reversed([name for name in self._idle if is_pick(name)]):
            rules += self._present[name]
            if len(kept) == MOST_IDLE or rules > MOST_IDLE_RULES:
                break
            kept.append(name)
        return kept[::-1]

    def _add_chains(self, rules: Mapping[str, Sequence[str]]) -> Iterator[str]:
        yield from (f"add chain {self._table} {name}" for name in rules)
        yield from (f"add rule {self._table} {name} {rule}" for name, each in rules.items() for rule in each)

    def _add_client_set(self, name: str) -> str:
        address = self.config.family.address_type
        type_ = f"{address} . {address} . inet_proto . inet_service . classid"
        return f"add set {self._table} {name} {{ type {type_}; size {MOST_CLIENTS}; flags dynamic,timeout; }}"

    def _element_changes(self, verb: str, changed: Elements) -> Iterator[str]:
        by_map: dict[str, list[str]] = {}
        for (map_, key), value in changed.items():
            by_map.setdefault(map_, []).append(key if verb == "delete" or not value else f"{key} : {value}")
        for map_ in FILLED:
            yield from self._shown(verb, map_, by_map.get(map_, []))

    def _self_changes(self, verb: str, addresses: Iterable[str]) -> Iterator[str]:
        yield from self._shown(verb, SELF, [f"{address} . {address}" for address in sorted(addresses)])

    def _shown(self, verb: str, name: str, shown: Sequence[str]) -> Iterator[str]:
        return elements(verb, self.config.family, self.config.table, name, shown)


@dataclass(frozen=True, slots=True)
class _Concerned:
    """What some services have, before a change of theirs or after it."""

    frontends: Iterable[Where]
    verdicts: Iterable[str]
    chains: Iterable[str] = ()
    addresses: Iterable[str] = ()

    @classmethod
    def of(cls, fragments: Sequence[Fragment]) -> "_Concerned":
        return cls(
            dict.fromkeys(where for each in fragments for where in each.frontends),
            dict.fromkeys(verdict for each in fragments for verdict in _verdicts(each)),
            dict.fromkeys(name for each in fragments for name in each.chains),
            {address for each in fragments for address in each.addresses},
        )


class _Numbers:
    """A number for each verdict while it is used; then it is given to another one."""

    def __init__(self) -> None:
        self._of: dict[str, int] = {}
        self._free: list[int] = []

    def of(self, verdict: str) -> int:
        return self._of[verdict]

    def keep(self, verdict: str, *, is_used: bool) -> None:
        if is_used and verdict not in self._of:
            self._of[verdict] = self._free.pop() if self._free else len(self._of) + 1
        elif not is_used and verdict in self._of:
            self._free.append(self._of.pop(verdict))


def _verdicts(fragment: Fragment) -> list[str]:
    return list(dict.fromkeys(each.verdict for each in fragment.frontends.values()))


def renumbered(old: tuple[Target, ...], wanted: tuple[Target, ...]) -> tuple[Target, ...]:
    """The wanted ones, each at its old number where that can be: as few numbers as possible mean another one than before."""
    if old == wanted:
        return old
    keep, known = set(wanted), set(old)
    new = [each for each in wanted if each not in known]
    found = [each if each in keep else None for each in old]
    gaps = [number for number, each in enumerate(found) if each is None]
    for number, each in zip(gaps, new, strict=False):
        found[number] = each
    found += new[len(gaps) :]
    for number in gaps[len(new) :]:
        while found and found[-1] is None:
            found.pop()
        if number >= len(found):
            break
        found[number] = found.pop()
    return tuple(each for each in found if each is not None)


def _size(fragment: Fragment) -> int:
    each_endpoint = 1 if fragment.affinity is None else 2
    return sum(
        1 + len(each.networks) + each_endpoint * sum(len(fragment.pools[name]) for name, _ in each.pools)
        for each in fragment.frontends.values()
    )


def _key(where: Where) -> str:
    after = f"{where.protocol} . {where.port}"
    return f"{where.address} . {after}" if where.address else after


def _client_sets(fragments: Iterable[Fragment]) -> set[str]:
    return {fragment.affinity.clients for fragment in fragments if fragment.affinity is not None}


def _without(changed: Elements, others: Elements) -> Elements:
    return {where: value for where, value in changed.items() if others.get(where) != value}


def _recount(counts: "Counter[str]", old: Iterable[str], new: Iterable[str]) -> None:
    # Of a mapping the keys are meant, not what a Counter would take as counts.
    counts.update(list(new))
    for each in old:
        counts[each] -= 1
        if not counts[each]:
            del counts[each]
