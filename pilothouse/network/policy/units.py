"""Chains that groups of pods share: the allowances of a policy, a tier's rules in their order, a rehearsal. Pure text.

What is refused, or would be, is noted under a number that stands for those who refuse it: the sets of the table hold who sent what to
whom under which number, so that what was dropped can be told to its policies.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.model.policy_refusals import WOULD
from pilothouse.network.policy import chains
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.rules import ACCEPT, ADMIN, BASELINE, DENY, Policy, Rule

REFUSE = "refuse"
"""The chain that counts and drops."""
NOTED, NOTED_OTHER, PORTED = "noted", "noted-other", "ported"
"""Sets of the table: what was refused by protocols with ports, by others, and which protocols have ports."""
REFUSED, REHEARSED = "refused", "rehearsed"
"""Counters of the table."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """Who refuses what is noted under a number. rule: the name of the rule that denies, where it has one."""

    direction: str
    policies: tuple[str, ...]
    rule: str = ""
    is_rehearsed: bool = False


@dataclass(slots=True)
class Bundle:
    """chains: name and lines. culprits: by number."""

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    culprits: dict[int, Culprit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unit:
    """kind: a tier ("Admin", "Baseline"), "of" for the allowances of one NetworkPolicy, "would" for a rehearsal of some of them."""

    direction: str
    kind: str
    policies: tuple[str, ...]

    @property
    def chain(self) -> str:
        return f"{self.direction}-{self.kind.lower()}-{_digest(' '.join(self.policies))}"


@dataclass(frozen=True, slots=True)
class Group:
    """Pods of this node for which the same policies hold in one direction; tiers in the order in which they are asked."""

    direction: str
    admin: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    rehearsed: tuple[str, ...] = ()
    baseline: tuple[str, ...] = ()

    @property
    def chain(self) -> str:
        return f"{self.direction}-{_digest('|'.join(map(' '.join, (self.admin, self.policies, self.rehearsed, self.baseline))))}"

    @property
    def units(self) -> tuple[Unit, ...]:
        """Those that its chain asks, in this order. NetworkPolicies leave nothing to Baseline."""
        admin = (Unit(self.direction, ADMIN, self.admin),) if self.admin else ()
        if self.policies:
            return *admin, *(Unit(self.direction, "of", (key,)) for key in self.policies)
        would = (Unit(self.direction, WOULD, self.rehearsed),) if self.rehearsed else ()
        return *admin, *would, *((Unit(self.direction, BASELINE, self.baseline),) if self.baseline else ())

    def compile(self, config: NetworkPolicyConfig) -> Bundle:
        asked = tuple(f"jump {unit.chain}" for unit in self.units)
        if not self.policies:
            return Bundle({self.chain: asked})
        number = _number(self.chain)
        return Bundle({self.chain: (*asked, *note(number, config), f"goto {REFUSE}")}, {number: Culprit(self.direction, self.policies)})


class Compiler:
    """policy: finds one by its key. dns_namespace: labels of the namespace in which DNS runs elsewhere."""

    def __init__(self, config: NetworkPolicyConfig, policy: Callable[[str], Policy | None], dns_namespace: Callable[[], Mapping[str, str]]):
        self._config = config
        self._policy = policy
        self._dns_namespace = dns_namespace

    def compile(self, unit: Unit) -> Bundle:
        found = [policy for policy in map(self._policy, unit.policies) if policy is not None]
        if unit.kind in (ADMIN, BASELINE):
            return self._tier(unit, found)
        verdict = "accept" if unit.kind == "of" else "return"
        allowed = [rule for policy in found for rule in policy.rules(unit.direction) or ()]
        lines = _unique(line for rule in allowed for line in self._lines(rule, unit, verdict))
        if unit.kind == "of":
            return Bundle({unit.chain: lines})
        number = _number(unit.chain)
        culprit = Culprit(unit.direction, unit.policies, is_rehearsed=True)
        return Bundle({unit.chain: (*lines, *note(number, self._config), f"counter name {REHEARSED}")}, {number: culprit})

    def _tier(self, unit: Unit, policies: Sequence[Policy]) -> Bundle:
        made, lines = Bundle(), list[str]()
        for policy in policies:
            if not policy.is_rehearsed:
                lines += self._ordered(unit, policy, made)
                continue
            own = f"{unit.chain}-{_digest(policy.key)}"
            made.chains[own] = tuple(self._ordered(unit, policy, made))
            lines.append(f"jump {own}")
        made.chains[unit.chain] = tuple(lines)
        return made

    def _ordered(self, unit: Unit, policy: Policy, made: Bundle) -> Iterator[str]:
        """The lines of its rules; what they deny is noted in chains of their own, which are added to `made`."""
        for number, rule in enumerate(policy.rules(unit.direction) or ()):
            yield from self._lines(rule, unit, self._verdict(unit, policy, number, rule, made))

    def _verdict(self, unit: Unit, policy: Policy, number: int, rule: Rule, made: Bundle) -> str:
        if rule.action != DENY:
            # To pass on is to leave the tier's chain, which whoever asked goes on from.
            return "accept" if rule.action == ACCEPT and not policy.is_rehearsed else "return"
        chain = f"{unit.chain}-{denial(policy.key, number)}"
        if policy.is_rehearsed:
            chain = f"{unit.direction}-{WOULD}-{unit.kind.lower()}-{_digest(chain)}"
        noted = _number(chain)
        last = f"counter name {REHEARSED}" if policy.is_rehearsed else f"goto {REFUSE}"
        made.chains[chain] = (*note(noted, self._config), last)
        made.culprits[noted] = Culprit(unit.direction, (policy.key,), rule.name, policy.is_rehearsed)
        return f"goto {chain}"

    def _lines(self, rule: Rule, unit: Unit, verdict: str) -> Iterator[str]:
        return iter(_unique(chains.lines(rule, unit.direction, verdict, self._config, self._dns_namespace())))


def denial(policy: str, number: int) -> str:
    """How the name of the chain ends that a denied packet comes to. number: of the rule among those of its direction, from 0."""
    return _digest(f"{policy} {number}")


def note(number: int, config: NetworkPolicyConfig) -> tuple[str, ...]:
    """A set that is full breaks off its line, and the next one is reached all the same."""
    lines = []
    for family in config.families:
        packet = f"{number:#010x} . {family.field} saddr . {family.field} daddr . meta l4proto"
        lines.append(f"meta l4proto @{PORTED} update @{NOTED}{family.suffix} {{ {packet} . th dport }}")
        lines.append(f"meta l4proto != @{PORTED} update @{NOTED_OTHER}{family.suffix} {{ {packet} }}")
    return tuple(lines)


def _unique(lines: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lines))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _number(chain: str) -> int:
    return int.from_bytes(hashlib.sha256(chain.encode()).digest()[:4])
