"""When a server that ended may be started again. Pure."""

from dataclasses import dataclass

FLOOR_S = 1.0
MOST_S = 30.0
STEADY_S = 20.0
"""The ends before are forgotten when a server ran for so long: the members of an instance that lose their servers again and again, one
after the other, are not to be few for longer than that."""


@dataclass(frozen=True, slots=True)
class Starts:
    """count: ends without a steady run between them. last: monotonic time of the last one."""

    count: int = 0
    last: float = 0.0

    def due(self, now: float) -> float:
        """When the next start may be: after the first end at once, then after 1 s, 2 s and so on."""
        if self.count < 2:
            return now
        return self.last + min(MOST_S, FLOOR_S * 2.0 ** (self.count - 2))

    def ended(self, now: float, ran_s: float) -> "Starts":
        return Starts(1 if ran_s >= STEADY_S else self.count + 1, now)
