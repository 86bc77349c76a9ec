"""When a server that ended may be started again. Pure."""

from dataclasses import dataclass

FLOOR_S = 1.0
MOST_S = 30.0
STEADY_S = 60.0
"""A server that ran for so long starts anew at once when it ends."""


@dataclass(frozen=True, slots=True)
class Starts:
    """count: starts since the server last ran steadily. last: monotonic time of the last one."""

    count: int = 0
    last: float = 0.0

    def due(self, now: float) -> float:
        """When the next start may be: the first and the second at once, then after 1 s, 2 s and so on."""
        if self.count < 2:
            return now
        return self.last + min(MOST_S, FLOOR_S * 2.0 ** (self.count - 2))

    def started(self, now: float) -> "Starts":
        steady = self.count and now - self.last >= STEADY_S
        return Starts(1 if steady else self.count + 1, now)
