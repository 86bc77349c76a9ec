"""Which candidates come first for an address: those with the highest hash of node and address. Pure.

The hash is a product of a number of each, for there are a million pairs of a thousand nodes and a thousand addresses.
Source: RFC draft "Highest Random Weight" (rendezvous hashing). The first ones of each address are kept, so that a candidate that comes is
compared with them alone, and one that goes is taken out: what remains are the first ones still.
"""

import hashlib
from collections.abc import Collection, Iterable
from functools import lru_cache
from heapq import nlargest

from pilothouse.model.load_balancers import Address

_MASK = (1 << 64) - 1
KEPT = 4
"""Names by address; two of them matter, and some may be passed over."""


class Ranking:
    """Owned by one planner."""

    def __init__(self) -> None:
        self._known: dict[Address, tuple[frozenset[str], list[str]]] = {}

    def first(self, address: Address, candidates: frozenset[str], passed_over: Collection[str] = ()) -> list[str]:
        """Names of candidates, the first one first, at least two unless there are no more. passed_over: of whom none is wanted."""
        before, names = self._known.get(address, (frozenset(), []))
        if before is not candidates:
            if before != candidates:
                names = _updated(address, names, before, candidates)
            self._known[address] = candidates, names
        wanted = [name for name in names if name not in passed_over]
        if len(wanted) < 2 and len(names) < len(candidates):
            return _best(address, candidates.difference(passed_over))
        return wanted

    def keep(self, addresses: Collection[Address]) -> None:
        """Forget all others."""
        for address in [each for each in self._known if each not in addresses]:
            del self._known[address]


def _updated(address: Address, names: list[str], before: frozenset[str], candidates: frozenset[str]) -> list[str]:
    left = [name for name in names if name in candidates]
    # Who comes after the last one that is left is not known, unless there was nobody else.
    is_whole = len(names) == len(before)
    if len(left) < 2 and not is_whole:
        return _best(address, candidates)
    found = _best(address, [*left, *(candidates - before)])
    return found if is_whole or left[-1] not in found else found[: found.index(left[-1]) + 1]


def _best(address: Address, names: Iterable[str]) -> list[str]:
    factor = _number(str(address)) | 1
    return [name for _, name in nlargest(KEPT, ((_number(name) * factor & _MASK, name) for name in names))]


@lru_cache(1 << 15)
def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
