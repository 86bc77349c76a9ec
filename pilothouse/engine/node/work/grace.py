"""The time that something may take to end, counted down from the moment when its end began."""

import asyncio

AFTER_PRESTOP_S = 2


class Grace:
    """total_s: 0 for at once. spent_s: how much of it an earlier agent has let pass. The clock is the event loop's."""

    def __init__(self, total_s: int, spent_s: float = 0.0) -> None:
        self.total_s = total_s
        self._ends_at = asyncio.get_running_loop().time() + max(0.0, total_s - spent_s)

    @property
    def left_s(self) -> int:
        """For the process itself: two seconds at the least when there was a grace at all, whatever went before has taken."""
        left_s = round(self._ends_at - asyncio.get_running_loop().time())
        return max(min(self.total_s, AFTER_PRESTOP_S), left_s)
