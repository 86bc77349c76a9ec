"""How far a node is with the ClusterNetworkPolicies, in a few words that the control plane compares with its own. Pure.

A node carries out many policies and writes one condition. So each policy, as it is at the moment, comes to a number; the numbers of those
that are carried out are joined by exclusive or, in 32 shares by the policies' names, and what remains of each share is said. Shares that
are the same on both sides mean the same policies; a policy that is changing leaves those of other shares alone. Two states come to the
same number once in 16 million. A resourceVersion would say as much in fewer words, but each write of a policy's status raises it.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.policy_refusals import is_rehearsed

SHARES = 32
_WORD = re.compile(r"([0-9a-f]{2})([0-9a-f]{6})")

Mark = tuple[int, int]
"""A policy's share, and its number as it is."""


def mark(policy: Object) -> Mark:
    """Another one when the policy is made anew, its spec changes, or its rehearsal begins or ends."""
    state = f"{meta.name(policy)} {meta.uid(policy)} {meta.generation(policy)} {is_rehearsed(policy)}"
    return share(meta.name(policy)), int.from_bytes(hashlib.sha256(state.encode()).digest()[:3], "big")


def share(name: str) -> int:
    """0 to 31."""
    return hashlib.sha256(name.encode()).digest()[0] % SHARES


def joined(marks: Iterable[Mark]) -> dict[int, int]:
    """By share; those that come to nothing are left out."""
    found: dict[int, int] = {}
    for where, number in marks:
        found[where] = found.get(where, 0) ^ number
    return {where: number for where, number in found.items() if number}


def written(progress: Mapping[int, int]) -> str:
    """At most 256 characters; "" for no policies."""
    return "".join(f"{where:02x}{number:06x}" for where, number in sorted(progress.items()))


def read(text: str) -> dict[int, int]:
    """What was `written`."""
    return {int(where, 16): int(number, 16) for where, number in _WORD.findall(text)}


def behind(here: Mapping[int, int], there: Mapping[int, int]) -> set[int]:
    """Shares in which the two differ."""
    return {where for where in here.keys() | there.keys() if here.get(where) != there.get(where)}
