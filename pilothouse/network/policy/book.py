"""The table in the kernel as it was written last, and the nft commands from there to the world's state. Pure text.

Invariant: after `change` the book is what the kernel has once the commands have run; if they fail, `whole` is the way back.
"""

from collections.abc import Iterable, Mapping, Sequence

from pilothouse.network.policy.world import DIRECTIONS, Changed, Where, World

SELF, LEAVING, ENTERING = "self", "leaving", "entering"
_BATCH = 1000
_ADDRESS, _ADDRESS_AND_PORT = "ipv4_addr", "ipv4_addr . inet_proto . inet_service"


class Book:
    """Owned by one task. table: the nft table's name."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._sets: dict[str, frozenset[str]] = {}
        self._chains: dict[str, tuple[str, ...]] = {}
        self._verdicts: dict[Where, str] = {}

    def change(self, world: World, changed: Changed) -> str:
        """Commands of one transaction; "" when nothing differs."""
        sets = {name: frozenset(world.sets[name]) if name in world.sets else None for name in changed.sets}
        lines = [*self._new_sets(sets), *self._new_chains(world, changed.chains), *self._fill(sets)]
        lines += self._rules(world, changed.chains)
        lines += self._point({where: world.chain_of(where) for where in changed.verdicts})
        lines += self._drop(world, sets, changed.chains)
        return "\n".join(lines) + "\n" if lines else ""

    def whole(self, world: World) -> str:
        """Commands that replace the table, whatever it holds."""
        self._sets, self._chains, self._verdicts = {}, {}, {}
        every = Changed(set(world.sets), set(world.chains), set(world.verdicts))
        fresh = (f"add table ip {self._table}", f"delete table ip {self._table}", *self._frame())
        return "\n".join(fresh) + "\n" + self.change(world, every)

    def _frame(self) -> Sequence[str]:
        t = self._table
        answers = (
            # An answer passes; what goes on in a connection's own direction is judged again, so that policies end connections.
            "ct state established ct direction reply accept",
            "ct state related accept",
            f"ip saddr . ip daddr @{SELF} accept",
        )
        # A packet that one of these accepts still meets those that come after it.
        chains = (
            (LEAVING, "type filter hook forward priority 0", (*answers, "ip saddr vmap @egress")),
            (ENTERING, "type filter hook forward priority 1", (*answers, "ip daddr vmap @ingress")),
            # To this host, its DNS server above all. What the host itself sends to a pod passes, as upstream's rule is.
            ("input", "type filter hook input priority 0", (*answers, "ip saddr vmap @egress")),
        )
        return (
            f"add table ip {t}",
            f"add set ip {t} {SELF} {{ type ipv4_addr . ipv4_addr; }}",
            *(f"add map ip {t} {direction} {{ type ipv4_addr : verdict; }}" for direction in DIRECTIONS),
            *(f"add chain ip {t} {name}" + f" {{ {hook}; policy accept; }}" for name, hook, _ in chains),
            *(f"add rule ip {t} {name} {rule}" for name, _, rules in chains for rule in rules),
        )

    def is_in_place(self, listed: str) -> bool:
        """listed: what nft shows for `look`."""
        filled = {direction for direction, _ in self._verdicts}
        hooks = "vmap @egress" in listed and "vmap @ingress" in listed
        return hooks and listed.count("elements = ") >= len(filled)

    @property
    def look(self) -> Sequence[str]:
        """Commands that list what somebody may have flushed; one at a time, since nft reads no more of the kernel than the first needs."""
        chains = [f"list chain ip {self._table} {name}\n" for name in (LEAVING, ENTERING)]
        return chains + [f"list map ip {self._table} {direction}\n" for direction in DIRECTIONS]

    def _new_sets(self, sets: Mapping[str, frozenset[str] | None]) -> list[str]:
        fresh = [name for name, members in sets.items() if members is not None and name not in self._sets]
        return [f"add set ip {self._table} {name} {{ type {_type(name)}; }}" for name in fresh]

    def _new_chains(self, world: World, changed: Iterable[str]) -> list[str]:
        return [f"add chain ip {self._table} {name}" for name in changed if name in world.chains and name not in self._chains]

    def _fill(self, sets: Mapping[str, frozenset[str] | None]) -> list[str]:
        lines: list[str] = []
        for name, members in sets.items():
            if members is None:
                continue
            before = self._sets.get(name, frozenset())
            lines += self._elements("delete", name, before - members) + self._elements("add", name, members - before)
            self._sets[name] = members
        return lines

    def _rules(self, world: World, changed: Iterable[str]) -> list[str]:
        lines: list[str] = []
        for name in changed:
            rules = world.chains.get(name)
            if rules is None or rules == self._chains.get(name):
                continue
            if name in self._chains:
                lines.append(f"flush chain ip {self._table} {name}")
            lines += [f"add rule ip {self._table} {name} {rule}" for rule in rules]
            self._chains[name] = rules
        return lines

    def _point(self, verdicts: Mapping[Where, str | None]) -> list[str]:
        """Which chain judges the packets of an address; an element of a map is replaced by its deletion and addition in one step."""
        before = {address for _, address in self._verdicts}
        gone = [where for where, chain in verdicts.items() if where in self._verdicts and self._verdicts[where] != chain]
        fresh = {where: chain for where, chain in verdicts.items() if chain is not None and self._verdicts.get(where) != chain}
        lines: list[str] = []
        for direction in DIRECTIONS:
            lines += self._elements("delete", direction, [address for of, address in gone if of == direction])
            jumps = [f"{address} : jump {chain}" for (of, address), chain in fresh.items() if of == direction]
            lines += self._elements("add", direction, jumps)
        for where in gone:
            del self._verdicts[where]
        self._verdicts.update(fresh)
        after = {address for _, address in self._verdicts}
        lines += self._elements("delete", SELF, [f"{address} . {address}" for address in before - after])
        return lines + self._elements("add", SELF, [f"{address} . {address}" for address in after - before])

    def _drop(self, world: World, sets: Mapping[str, frozenset[str] | None], changed: Iterable[str]) -> list[str]:
        """Chains first: a set that a rule names stays."""
        chains = [name for name in changed if name not in world.chains and name in self._chains]
        gone = [name for name, members in sets.items() if members is None and name in self._sets]
        for name in chains:
            del self._chains[name]
        for name in gone:
            del self._sets[name]
        lines = [f"flush chain ip {self._table} {name}" for name in chains]
        lines += [f"delete chain ip {self._table} {name}" for name in chains]
        return lines + [f"delete set ip {self._table} {name}" for name in gone]

    def _elements(self, verb: str, name: str, elements: Iterable[str]) -> list[str]:
        every = sorted(elements)
        parts = (every[start : start + _BATCH] for start in range(0, len(every), _BATCH))
        return [f"{verb} element ip {self._table} {name} {{ {', '.join(part)} }}" for part in parts]


def _type(name: str) -> str:
    return _ADDRESS_AND_PORT if name.startswith("port-") else _ADDRESS
