"""From growing counters to rates: nanocores, since the figures before."""

from dataclasses import dataclass, replace

from pilothouse.engine.node.stats.figures import Cpu

SHORTEST_S = 0.5
"""Between the two figures of a rate; sooner, the last rate stands."""


@dataclass(frozen=True, slots=True)
class _Seen:
    cpu: Cpu
    at: float


class Rates:
    """Remembers one figure for each key that has been asked for since `forget_others` was called last."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._asked: set[str] = set()

    def rated(self, key: str, cpu: Cpu, at: float) -> Cpu:
        """The figure with its rate: None for the first. at: when it was taken, seconds since the epoch."""
        self._asked.add(key)
        before = self._seen.get(key)
        if before is None or cpu.total_ns < before.cpu.total_ns:
            self._seen[key] = _Seen(cpu, at)
            return cpu
        if at - before.at < SHORTEST_S:
            return replace(cpu, nanocores=before.cpu.nanocores)
        rated = replace(cpu, nanocores=int((cpu.total_ns - before.cpu.total_ns) / (at - before.at)))
        self._seen[key] = _Seen(rated, at)
        return rated

    def forget_others(self) -> None:
        self._seen = {key: seen for key, seen in self._seen.items() if key in self._asked}
        self._asked.clear()
