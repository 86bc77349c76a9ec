"""The table in the kernel as it was written last, and the nft commands from there to the world's state. Pure text.

Invariant: after `change` the book is what the kernel has once the commands have run; if they fail, `whole` is the way back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pilothouse.network.policy.config import Family, NetworkPolicyConfig
from pilothouse.network.policy.frame import MAPS, SELF, frame
from pilothouse.network.policy.holding import Where
from pilothouse.network.policy.members import Touched
from pilothouse.network.policy.world import Changed, World

_BATCH = 1000


class Book:
    """Used by one thread at a time, the one that uses the world."""

    def __init__(self, config: NetworkPolicyConfig, *, can_reset: bool = True) -> None:
        self.can_reset = can_reset
        self._config = config
        self._table = f"inet {config.table}"
        self._sets: dict[str, set[str]] = {}
        self._chains: dict[str, tuple[str, ...]] = {}
        self._verdicts: dict[Where, str] = {}

    def change(self, world: World, changed: Changed) -> str:
        """Commands of one transaction; "" when nothing differs."""
        sets = {name: changed.sets[name] for name in sorted(changed.sets)}
        lines = [*self._new_sets([name for name in sets if name in world.sets]), *self._new_chains(world, changed.chains)]
        lines += self._fill(world, sets)
        lines += self._rules(world, changed.chains)
        lines += self._point({where: world.chain_of(where) for where in changed.verdicts})
        lines += self._drop(world, sets, changed.chains)
        return "\n".join(lines) + "\n" if lines else ""

    def whole(self, world: World) -> str:
        """Commands that replace the table, whatever it holds."""
        self._sets, self._chains, self._verdicts = {}, {}, {}
        every = Changed(dict.fromkeys(world.sets), set(world.chains), set(world.verdicts))
        fresh = (*nothing(self._config), *frame(self._config, can_reset=self.can_reset))
        return "\n".join(fresh) + "\n" + self.change(world, every)

    def declared(self, world: World) -> list[str]:
        """Commands that make the world's sets, empty."""
        return self._new_sets(world.sets)

    @property
    def filled(self) -> Sequence[str]:
        """Names of the maps that have elements."""
        families = {(direction, ":" in address) for direction, address in self._verdicts}
        return [f"{direction}{f.suffix}" for direction in MAPS for f in self._config.families if (direction, f.version == 6) in families]

    def _new_sets(self, names: Iterable[str]) -> list[str]:
        fresh = [name for name in names if name not in self._sets]
        return [f"add set {self._table} {name}{f.suffix} {{ type {_type(name, f)}; }}" for name in fresh for f in self._config.families]

    def _new_chains(self, world: World, changed: Iterable[str]) -> list[str]:
        return [f"add chain {self._table} {name}" for name in changed if name in world.chains and name not in self._chains]

    def _fill(self, world: World, sets: Touched) -> list[str]:
        """A set costs what of it may have changed, and not what it holds: thousands may hold all pods of the cluster."""
        lines: list[str] = []
        for name, touched in sets.items():
            if (members := world.sets.get(name)) is None:
                continue
            before = self._sets.setdefault(name, set())
            if touched is None:
                gone, come = before - members.keys(), members.keys() - before
            else:
                gone = {each for each in touched if each in before and each not in members}
                come = {each for each in touched if each in members and each not in before}
            lines += [*self._elements("delete", name, gone), *self._elements("add", name, come)]
            before -= gone
            before |= come
        return lines

    def _rules(self, world: World, changed: Iterable[str]) -> list[str]:
        lines: list[str] = []
        for name in changed:
            rules = world.chains.get(name)
            if rules is None or rules == self._chains.get(name):
                continue
            if name in self._chains:
                lines.append(f"flush chain {self._table} {name}")
            lines += [f"add rule {self._table} {name} {rule}" for rule in rules]
            self._chains[name] = rules
        return lines

    def _point(self, verdicts: Mapping[Where, str | None]) -> list[str]:
        """Which chain judges the packets of an address; an element of a map is replaced by its deletion and addition in one step."""
        touched = {address for _, address in verdicts}
        before = {address for address in touched if self._is_judged(address)}
        gone = [where for where, chain in verdicts.items() if where in self._verdicts and self._verdicts[where] != chain]
        fresh = {where: chain for where, chain in verdicts.items() if chain is not None and self._verdicts.get(where) != chain}
        lines: list[str] = []
        for direction in MAPS:
            lines += self._elements("delete", direction, [address for of, address in gone if of == direction])
            jumps = [f"{address} : jump {chain}" for (of, address), chain in fresh.items() if of == direction]
            lines += self._elements("add", direction, jumps)
        for where in gone:
            del self._verdicts[where]
        self._verdicts.update(fresh)
        after = {address for address in touched if self._is_judged(address)}
        lines += self._elements("delete", SELF, [f"{address} . {address}" for address in before - after])
        return [*lines, *self._elements("add", SELF, [f"{address} . {address}" for address in after - before])]

    def _is_judged(self, address: str) -> bool:
        return any((direction, address) in self._verdicts for direction in MAPS)

    def _drop(self, world: World, sets: Iterable[str], changed: Iterable[str]) -> list[str]:
        """Chains first: a set that a rule names stays."""
        chains = [name for name in changed if name not in world.chains and name in self._chains]
        gone = [name for name in sets if name not in world.sets and name in self._sets]
        for name in chains:
            del self._chains[name]
        for name in gone:
            del self._sets[name]
        lines = [f"flush chain {self._table} {name}" for name in chains]
        lines += [f"delete chain {self._table} {name}" for name in chains]
        return lines + [f"delete set {self._table} {name}{family.suffix}" for name in gone for family in self._config.families]

    def _elements(self, verb: str, name: str, elements: Iterable[str]) -> Iterator[str]:
        """Elements begin with an address; those of a family that pods have no addresses of are nowhere in the table."""
        known = sorted(elements)
        for family in self._config.families:
            every = [element for element in known if family.has(element.split(" ", 1)[0])]
            for start in range(0, len(every), _BATCH):
                yield f"{verb} element {self._table} {name}{family.suffix} {{ {', '.join(every[start : start + _BATCH])} }}"


def nothing(config: NetworkPolicyConfig) -> Sequence[str]:
    """Commands that take the table away, and the one that earlier versions had, of the family ip."""
    tables = (f"inet {config.table}", f"ip {config.table}")
    return [command for table in tables for command in (f"add table {table}", f"delete table {table}")]


def _type(name: str, family: Family) -> str:
    return f"{family.type} . inet_proto . inet_service" if name.startswith("port-") else family.type
