"""Which policies hold for the pods of this node, as groups of pods and the chains that these need (pure).

Invariant: a chain is there as long as some group asks it, and once for all of them.
"""

from collections import Counter

from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.units import Bundle, Compiler, Culprit, Group, Unit

Where = tuple[str, str]
"""Direction, and the address of a pod of this node."""


class Holding:
    """groups: of each address that is judged. changed_chains, changed_verdicts: told what has changed, and emptied by others."""

    def __init__(self, config: NetworkPolicyConfig, compiler: Compiler, changed_chains: set[str], changed_verdicts: set[Where]) -> None:
        self.groups: dict[Where, Group] = {}
        self.chains: dict[str, tuple[str, ...]] = {}
        self.culprits: dict[int, Culprit] = {}
        self.changed_chains, self.changed_verdicts = changed_chains, changed_verdicts
        self._config, self._compiler = config, compiler
        self._members: Counter[Group] = Counter()
        self._uses: Counter[Unit] = Counter()
        self._bundles: dict[Unit | Group, Bundle] = {}
        self._units_of: dict[str, set[Unit]] = {}

    def move(self, where: Where, group: Group | None) -> None:
        """None: nothing holds there any more."""
        old = self.groups.get(where)
        if group == old:
            return
        self.changed_verdicts.add(where)
        if group is not None:
            self.groups[where] = group
            self._members[group] += 1
            if self._members[group] == 1:
                self._enter(group)
        else:
            del self.groups[where]
        if old is not None:
            self._members[old] -= 1
            if not self._members[old]:
                del self._members[old]
                self._leave(old)

    def policy_changed(self, key: str) -> None:
        for unit in self._units_of.get(key, ()):
            self._put(unit, self._compiler.compile(unit))

    def write_all(self) -> None:
        """What every rule depends on has changed."""
        for unit in list(self._uses):
            self._put(unit, self._compiler.compile(unit))

    def _enter(self, group: Group) -> None:
        for unit in group.units:
            self._uses[unit] += 1
            if self._uses[unit] == 1:
                for key in unit.policies:
                    self._units_of.setdefault(key, set()).add(unit)
                self._put(unit, self._compiler.compile(unit))
        self._put(group, group.compile(self._config))

    def _leave(self, group: Group) -> None:
        self._put(group, Bundle())
        for unit in group.units:
            self._uses[unit] -= 1
            if not self._uses[unit]:
                del self._uses[unit]
                for key in unit.policies:
                    self._units_of[key].discard(unit)
                    if not self._units_of[key]:
                        del self._units_of[key]
                self._put(unit, Bundle())

    def _put(self, of: Unit | Group, bundle: Bundle) -> None:
        """An empty bundle takes away what there was."""
        old = self._bundles.pop(of, Bundle())
        if bundle.chains:
            self._bundles[of] = bundle
        for number in old.culprits.keys() - bundle.culprits.keys():
            self.culprits.pop(number, None)
        self.culprits |= bundle.culprits
        for name in old.chains.keys() - bundle.chains.keys():
            del self.chains[name]
            self.changed_chains.add(name)
        for name, lines in bundle.chains.items():
            if self.chains.get(name) != lines:
                self.chains[name] = lines
                self.changed_chains.add(name)
