"""The table as it should be, kept service by service, and the nft transactions that bring it there. Pure text.

Invariant: after `change` the book is what the kernel has once the returned commands have run; if they fail, `whole` is the way
back. No two services claim the same address and port: the first one keeps it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from pilothouse.linux.conntrack import Address
from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.plan import FRONTENDS, MASQUERADE_MARK, NODE_ADDRESSES, NODE_PORTS, NOTHING, REFUSE, Fragment, Where

SELF = "self"
MOST_CLIENTS = 65_536
"""That an endpoint of a service with affinity remembers; further ones are routed like any other client, each connection anew."""
_BATCH = 500


class RuleBook:
    """Owned by one task. `fragments` are those of all services, by `namespace/name`."""

    def __init__(self, config: ServiceProxyConfig) -> None:
        self.config = config
        self._table = config.table
        self._fragments: dict[str, Fragment] = {}
        self._owners: dict[Where, str] = {}
        self._addresses: Counter[str] = Counter()
        self._leaving: Counter[str] = Counter()

    @property
    def addresses(self) -> frozenset[str]:
        """Of all endpoints that are routed to, but for those that are terminating: no change to come would take these away, so there
        is nothing that anybody could wait for."""
        return frozenset(address for address in self._addresses if address not in self._leaving)

    @property
    def has_affinity(self) -> bool:
        return any(fragment.sets for fragment in self._fragments.values())

    @property
    def fragments(self) -> Mapping[str, Fragment]:
        return self._fragments

    def get(self, service: str) -> Fragment:
        return self._fragments.get(service, NOTHING)

    def udp_endpoints(self, at: Address) -> frozenset[Address]:
        """Where UDP flows to a frontend lead now, by the service that has it; nowhere when none has."""
        where = (FRONTENDS, f"{at[0]} . udp . {at[1]}") if at[0] else (NODE_PORTS, f"udp . {at[1]}")
        owner = self._owners.get(where)
        return frozenset() if owner is None else self._fragments[owner].udp.get(at, frozenset())

    def change(self, wanted: Mapping[str, Fragment]) -> str:
        """Commands of one transaction from the present state to the one with these services changed; "" when nothing differs."""
        before_elements, before_addresses = self._elements_of(wanted), set(self._addresses)
        before = {service: self.get(service) for service in wanted}
        for service, fragment in wanted.items():
            self._put(service, fragment)
        freed = [where for where in before_elements if where not in self._owners]
        self._hand_over(freed)
        after_elements = {where: self._verdict(where) for where in {*before_elements, *self._elements_of(wanted)} if where in self._owners}
        old, new = _merged(before.values()), _merged(wanted.values())
        return "\n".join(
            [
                *(self._add_set(name, seconds) for name, seconds in new.sets.items() if name not in old.sets),
                *(f"add chain ip {self._table} {name}" for name in new.chains if name not in old.chains),
                *self._element_changes("delete", _without(before_elements, after_elements)),
                *self._rule_changes(old.chains, new.chains),
                *self._element_changes("add", _without(after_elements, before_elements)),
                *(f"delete chain ip {self._table} {name}" for name in old.chains if name not in new.chains),
                *(f"delete set ip {self._table} {name}" for name in old.sets if name not in new.sets),
                *self._self_changes(before_addresses),
                "",
            ]
        ).lstrip("\n")

    def whole(self, remembered: Mapping[str, Mapping[str, int]] = MappingProxyType({})) -> str:
        """Commands that replace the table, whatever it holds, in one transaction.

        remembered: clients that have an endpoint: set -> address -> seconds that are left; sets that are not wanted are passed over.
        """
        every = _merged(self._fragments.values())
        lines = [f"add table ip {self._table}", f"delete table ip {self._table}", *self._frame()]
        lines += [self._add_set(name, seconds) for name, seconds in every.sets.items()]
        lines += [f"add chain ip {self._table} {name}" for name in every.chains]
        lines += [f"add rule ip {self._table} {name} {rule}" for name, rules in every.chains.items() for rule in rules]
        lines += self._element_changes("add", {where: self._verdict(where) for where in self._owners})
        lines += self._self_changes(set())
        for name in every.sets:
            known = [
                f"{address} expires {left_s}s" for address, left_s in remembered.get(name, {}).items() if 0 < left_s <= every.sets[name]
            ]
            lines += self._batches("add", name, known)
        return "\n".join(lines) + "\n"

    def _put(self, service: str, fragment: Fragment) -> None:
        old = self.get(service)
        for where in [where for where in old.elements if self._owners.get(where) == service and where not in fragment.elements]:
            del self._owners[where]
        for where in fragment.elements:
            self._owners.setdefault(where, service)
        _recount(self._addresses, old.addresses, fragment.addresses)
        _recount(self._leaving, old.leaving, fragment.leaving)
        if fragment == NOTHING:
            self._fragments.pop(service, None)
        else:
            self._fragments[service] = fragment

    def _hand_over(self, freed: Iterable[Where]) -> None:
        """A claim that was given up goes to who else has it."""
        for where in freed:
            heir = next((service for service, fragment in self._fragments.items() if where in fragment.elements), None)
            if heir is not None:
                self._owners[where] = heir

    def _verdict(self, where: Where) -> str:
        return self._fragments[self._owners[where]].elements[where]

    def _elements_of(self, services: Iterable[str]) -> dict[Where, str]:
        """Elements that these services own, with their verdicts."""
        pairs = ((service, element) for service in services for element in self.get(service).elements.items())
        return {where: verdict for service, (where, verdict) in pairs if self._owners[where] == service}

    def _add_set(self, name: str, seconds: int) -> str:
        return f"add set ip {self._table} {name} {{ type ipv4_addr; size {MOST_CLIENTS}; flags dynamic,timeout; timeout {seconds}s; }}"

    def _rule_changes(self, old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
        for name in old:
            if new.get(name) != old[name]:
                yield f"flush chain ip {self._table} {name}"
        for name, rules in new.items():
            if old.get(name) != rules:
                yield from (f"add rule ip {self._table} {name} {rule}" for rule in rules)

    def _element_changes(self, verb: str, elements: Mapping[Where, str]) -> Iterator[str]:
        for map_ in (FRONTENDS, NODE_PORTS):
            shown = [key if verb == "delete" else f"{key} : {verdict}" for (where, key), verdict in elements.items() if where == map_]
            yield from self._batches(verb, map_, shown)

    def _self_changes(self, before: set[str]) -> Iterator[str]:
        now = set(self._addresses)
        yield from self._batches("delete", SELF, [f"{address} . {address}" for address in sorted(before - now)])
        yield from self._batches("add", SELF, [f"{address} . {address}" for address in sorted(now - before)])

    def _batches(self, verb: str, name: str, shown: list[str]) -> Iterator[str]:
        for start in range(0, len(shown), _BATCH):
            yield f"{verb} element ip {self._table} {name} {{ {', '.join(shown[start : start + _BATCH])} }}"

    def _frame(self) -> Iterator[str]:
        """What is there without any service."""
        config, table = self.config, self._table
        yield f"add table ip {table}"
        yield f"add map ip {table} {FRONTENDS} {{ type ipv4_addr . inet_proto . inet_service : verdict; }}"
        yield f"add map ip {table} {NODE_PORTS} {{ type inet_proto . inet_service : verdict; }}"
        yield f"add set ip {table} {NODE_ADDRESSES} {{ type ipv4_addr; }}"
        yield f"add set ip {table} {SELF} {{ type ipv4_addr . ipv4_addr; }}"
        yield from self._batches("add", NODE_ADDRESSES, list(config.node_port_addresses))
        yield from self._chain(REFUSE, "", ["meta l4proto tcp reject with tcp reset", "reject"])
        yield from self._chain("services", "", self._dispatch())
        yield from self._chain("arrive", "type nat hook prerouting priority -100", ["jump services"])
        yield from self._chain("depart", "type nat hook output priority -100", ["jump services"])
        yield from self._chain("leave", "type nat hook postrouting priority 100", self._masquerade())

    def _dispatch(self) -> Iterator[str]:
        yield f"ip daddr . meta l4proto . th dport vmap @{FRONTENDS}"
        yield f"ip daddr @{NODE_ADDRESSES} meta l4proto . th dport vmap @{NODE_PORTS}"
        if self.config.service_cidr:
            yield f"ip daddr {self.config.service_cidr} goto {REFUSE}"

    def _masquerade(self) -> Iterator[str]:
        """Who must get the answer back from this node rather than straight from the endpoint."""
        yield f'oifname != "lo" ct status dnat ip saddr . ip daddr @{SELF} masquerade'
        yield f'oifname != "lo" ip saddr 127.0.0.0/8 ip daddr {self.config.local_cidr} masquerade'
        yield f'oifname != "lo" meta mark & {MASQUERADE_MARK} == {MASQUERADE_MARK} ip daddr != {self.config.local_cidr} masquerade'

    def _chain(self, name: str, hook: str, rules: Iterable[str]) -> Iterator[str]:
        yield f"add chain ip {self._table} {name}" + (f" {{ {hook}; policy accept; }}" if hook else "")
        yield from (f"add rule ip {self._table} {name} {rule}" for rule in rules)


def _merged(fragments: Iterable[Fragment]) -> Fragment:
    merged = Fragment()
    for fragment in fragments:
        merged.chains.update(fragment.chains)
        merged.sets.update(fragment.sets)
    return merged


def _without(elements: Mapping[Where, str], others: Mapping[Where, str]) -> dict[Where, str]:
    return {where: verdict for where, verdict in elements.items() if others.get(where) != verdict}


def _recount(counts: "Counter[str]", old: Iterable[str], new: Iterable[str]) -> None:
    counts.update(new)
    for address in old:
        counts[address] -= 1
        if not counts[address]:
            del counts[address]
