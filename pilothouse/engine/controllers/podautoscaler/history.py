"""What an autoscaler has recommended and done lately; kept in memory, as upstream does, and begun anew with the process.

Times are of a clock that never goes back.
"""

from dataclasses import dataclass, field
from typing import NamedTuple


class Entry(NamedTuple):
    """replicas: that were recommended, or by which the number was changed."""

    at: float
    replicas: int


@dataclass(slots=True)
class History:
    recommendations: list[Entry] = field(default_factory=list)
    ups: list[Entry] = field(default_factory=list)
    downs: list[Entry] = field(default_factory=list)

    def recommended(self, replicas: int, now: float, keep_s: float) -> None:
        self.recommendations = [*since(self.recommendations, now - keep_s), Entry(now, replicas)]

    def scaled(self, before: int, after: int, now: float, keep_s: float) -> None:
        if after > before:
            self.ups = [*since(self.ups, now - keep_s), Entry(now, after - before)]
        else:
            self.downs = [*since(self.downs, now - keep_s), Entry(now, before - after)]


def since(entries: list[Entry], begin: float) -> list[Entry]:
    return [entry for entry in entries if entry.at > begin]


def changed(entries: list[Entry], begin: float) -> int:
    """By how many replicas in all since then."""
    return sum(entry.replicas for entry in entries if entry.at > begin)
