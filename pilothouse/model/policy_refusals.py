"""What nodes say of policies: which packets they have refused, which policies they do not carry out, and where it is shown. Pure.

`kubectl describe` shows the annotations of a NetworkPolicy, and no Events of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

DROPPED, WOULD_DROP = "NetworkPolicyDropped", "NetworkPolicyWouldDrop"
REASONS = frozenset({DROPPED, WOULD_DROP})
SHOWN = {DROPPED: "network.pilothouse.dev/dropped", WOULD_DROP: "network.pilothouse.dev/would-have-dropped"}
"""Annotation of a NetworkPolicy by the reason of the Events that it gathers."""
REHEARSE = "network.pilothouse.dev/rehearse"
"""Annotation of a policy that counts what it would drop, and drops nothing, while it is "true"."""
WOULD = "would"
"""In the names of chains that note what a rehearsal would refuse, after the direction: a trace tells by it who would."""

ENFORCED = "NetworkPolicyEnforced"
"""Condition of a node: whether it carries out policies at all, and in its message which ClusterNetworkPolicies it does not."""
MOST_EXCEPTIONS = 10
_IN_FORCE = "network policies are carried out"
_EXCEPTION = re.compile(r"ClusterNetworkPolicy (\S+) \(generation (\d+)\): ([^;]*)")


@dataclass(frozen=True, slots=True)
class NotCarriedOut:
    """A ClusterNetworkPolicy that a node does not carry out. generation: of the object that it has seen."""

    name: str
    generation: int
    why: str


def in_force(exceptions: Mapping[str, tuple[int, str]]) -> str:
    """The condition's message. exceptions: generation and reason by the policies' names; those beyond ten are only counted."""
    if not exceptions:
        return _IN_FORCE
    named = sorted(exceptions.items())[:MOST_EXCEPTIONS]
    said = [f"ClusterNetworkPolicy {name} (generation {generation}): {why.replace(';', ',')[:200]}" for name, (generation, why) in named]
    more = f"; and {len(exceptions) - len(named)} more" if len(exceptions) > len(named) else ""
    return f"{_IN_FORCE}, except {'; '.join(said)}{more}"


def exceptions(message: str) -> list[NotCarriedOut]:
    """What such a message says."""
    return [NotCarriedOut(name, int(generation), why.strip()) for name, generation, why in _EXCEPTION.findall(message)]
