"""What nodes say of policies: which packets they have refused, which policies they do not carry out, and where it is shown. Pure.

`kubectl describe` shows the annotations of a NetworkPolicy, and no Events of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object

DROPPED, WOULD_DROP = "NetworkPolicyDropped", "NetworkPolicyWouldDrop"
REASONS = frozenset({DROPPED, WOULD_DROP})
SHOWN = {DROPPED: "network.pilothouse.dev/dropped", WOULD_DROP: "network.pilothouse.dev/would-have-dropped"}
"""Annotation of a NetworkPolicy by the reason of the Events that it gathers."""
REHEARSE = "network.pilothouse.dev/rehearse"
"""Annotation of a policy that counts what it would drop, and drops nothing, while it is "true"."""
_YES = ("true", "yes", "on", "1")
"""An annotation is no field that could be refused, and a policy that was to be rehearsed must not drop."""
WOULD = "would"
"""In the names of chains that note what a rehearsal would refuse, after the direction: a trace tells by it who would."""

ENFORCED = "NetworkPolicyEnforced"
"""Condition of a node: whether it carries out policies at all, and in its message which ClusterNetworkPolicies it does not."""
MOST_EXCEPTIONS, MOST_BYTES = 10, 1000
"""Of a message: policies that are named, and its length. The conditions of a node cut off what is longer than 1,024 bytes."""
_WHY_BYTES = 200
_IN_FORCE = "network policies are carried out"
_PROGRESS = re.compile(rf"{_IN_FORCE} \(state ([0-9a-f]+)\)")
_MORE = re.compile(r"; and (\d+) more")
_EXCEPTION = re.compile(r"ClusterNetworkPolicy (\S+) \(generation (\d+)\): ([^;]*)")


@dataclass(frozen=True, slots=True)
class NotCarriedOut:
    """A ClusterNetworkPolicy that a node does not carry out. generation: of the object that it has seen."""

    name: str
    generation: int
    why: str


def is_rehearsed(policy: Object) -> bool:
    return meta.annotations(policy).get(REHEARSE, "").strip().lower() in _YES


def in_force(exceptions: Mapping[str, tuple[int, str]], progress: str = "") -> str:
    """The condition's message. exceptions: generation and reason by the policies' names; those beyond ten, or without room, are only
    counted. progress: which ClusterNetworkPolicies are carried out, see `policy_progress`.
    """
    head = f"{_IN_FORCE} (state {progress})" if progress else _IN_FORCE
    if not exceptions:
        return head
    said: list[str] = []
    room = MOST_BYTES - len(f"{head}, except ; and {len(exceptions)} more")
    for name, (generation, why) in sorted(exceptions.items())[:MOST_EXCEPTIONS]:
        shown = why.replace(";", ",").encode()[:_WHY_BYTES].decode(errors="ignore")
        text = f"ClusterNetworkPolicy {name} (generation {generation}): {shown}"
        room -= len(text.encode()) + 2
        if room < 0:
            break
        said.append(text)
    more = f"; and {len(exceptions) - len(said)} more" if len(exceptions) > len(said) else ""
    return f"{head}, except {'; '.join(said)}{more}"


def progress(message: str) -> str:
    """What such a message says of it; "" where it says nothing."""
    found = _PROGRESS.match(message)
    return found[1] if found else ""


def unnamed(message: str) -> int:
    """How many policies the node does not carry out and has not named."""
    found = _MORE.search(message)
    return int(found[1]) if found else 0


def exceptions(message: str) -> list[NotCarriedOut]:
    """What such a message says."""
    return [NotCarriedOut(name, int(generation), why.strip()) for name, generation, why in _EXCEPTION.findall(message)]
