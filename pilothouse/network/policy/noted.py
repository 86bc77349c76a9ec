"""What was refused since it was last looked: reads the sets and counters of the table (blocks), bounded by their sizes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.linux.nft import Nft, NftFailure
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.frame import MOST_NOTED
from pilothouse.network.policy.units import NOTED, NOTED_OTHER

_COUNTER = re.compile(r"counter (\S+) \{\s*packets (\d+)")
_ELEMENT = re.compile(r"(0x[0-9a-f]+) \. (\S+) \. (\S+) \. (\S+?)(?: \. (\S+))? counter packets (\d+) bytes \d+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """number: stands for who refuses, see `units`. port: "" of protocols without."""

    number: int
    source: str
    target: str
    protocol: str
    port: str


class Noted:
    """Owned by one thread at a time. Counts begin with those of a table that has just been made."""

    def __init__(self, nft: Nft, config: NetworkPolicyConfig) -> None:
        self._nft = nft
        self._table = f"inet {config.table}"
        self._sets = [f"{name}{family.suffix}" for name in (NOTED, NOTED_OTHER) for family in config.families]
        self._totals: dict[str, int] = {}
        self._counts: dict[Refusal, int] = {}

    def restart(self) -> None:
        """The table has been made anew."""
        self._totals, self._counts = {}, {}

    def fresh(self) -> dict[Refusal, int]:
        """Packets since the last call. A table that is not there has nothing."""
        try:
            totals = {name: int(packets) for name, packets in _COUNTER.findall(self._nft.run(f"list counters table {self._table}\n"))}
            if totals == self._totals:
                return {}
            counts = dict(found for name in self._sets for found in self._elements(name))
        except NftFailure:
            self.restart()
            return {}
        fresh = {key: count - self._before(key, count) for key, count in counts.items()}
        self._totals, self._counts = totals, counts
        return {key: count for key, count in fresh.items() if count > 0}

    def _before(self, key: Refusal, count: int) -> int:
        """One that has expired and come again begins anew."""
        before = self._counts.get(key, 0)
        return before if before <= count else 0

    def _elements(self, name: str) -> Iterator[tuple[Refusal, int]]:
        listed = self._nft.run(f"list set {self._table} {name}\n")
        found = _ELEMENT.findall(listed)
        if len(found) > MOST_NOTED // 2:
            # Somebody tries many ports: room for what others do.
            self._nft.run(f"flush set {self._table} {name}\n")
        for number, source, target, protocol, port, packets in found:
            yield Refusal(int(number, 16), source, target, protocol, port), int(packets)
