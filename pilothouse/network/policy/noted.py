"""What was refused since it was last looked: reads the sets of the table (blocks), bounded by their sizes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.linux.nft import Nft, NftFailure
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.frame import MOST_NOTED
from pilothouse.network.policy.units import NOTED, NOTED_OTHER

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
        self._counts: dict[Refusal, int] = {}

    def restart(self) -> None:
        """The table has been made anew."""
        self._counts = {}

    def fresh(self) -> dict[Refusal, int]:
        """Packets since the last call. A table that is not there has nothing."""
        # The sets alone: to list a counter, nft reads every rule of the table first (60 ms with 500 policies, a set 0.2 ms).
        kept: dict[Refusal, int] = {}
        fresh: dict[Refusal, int] = {}
        try:
            for name in self._sets:
                counts = dict(self._elements(name))
                fresh |= {key: count - self._before(key, count) for key, count in counts.items()}
                kept |= {} if self._is_emptied(name, len(counts)) else counts
        except NftFailure:
            kept = {}
        self._counts = kept
        return {key: count for key, count in fresh.items() if count > 0}

    def _is_emptied(self, name: str, size: int) -> bool:
        """Where somebody tries many ports: room for what others do. What comes then is counted anew."""
        if size <= MOST_NOTED // 2:
            return False
        self._nft.run(f"flush set {self._table} {name}\n")
        return True

    def _before(self, key: Refusal, count: int) -> int:
        """One that has expired and come again begins anew."""
        before = self._counts.get(key, 0)
        return before if before <= count else 0

    def _elements(self, name: str) -> Iterator[tuple[Refusal, int]]:
        listed = self._nft.run(f"list set {self._table} {name}\n")
        for number, source, target, protocol, port, packets in _ELEMENT.findall(listed):
            yield Refusal(int(number, 16), source, target, protocol, port), int(packets)
