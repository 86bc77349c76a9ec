"""A bound over all connections of a server for what each of them holds."""


class Budget:
    """Nobody holds more than half of it, so that one who takes all that they can get keeps no other out.

    reserve_bytes: beyond the limit, for what is small: a few that hold much must not keep out all others.
    """

    def __init__(self, limit_bytes: int, reserve_bytes: int = 0) -> None:
        self.limit_bytes = limit_bytes
        self.reserve_bytes = reserve_bytes
        self.used_bytes = 0
        self._used_by: dict[str, int] = {}

    def take(self, holder: str, size_bytes: int, *, is_small: bool = False) -> bool:
        """Whether so much was left for the holder; it is taken then."""
        used_by_holder = self._used_by.get(holder, 0) + size_bytes
        limit_bytes = self.limit_bytes + self.reserve_bytes if is_small else self.limit_bytes
        if self.used_bytes + size_bytes > limit_bytes or used_by_holder > limit_bytes // 2:
            return False
        self.used_bytes += size_bytes
        self._used_by[holder] = used_by_holder
        return True

    def give(self, holder: str, size_bytes: int) -> None:
        self.used_bytes -= size_bytes
        left = self._used_by.get(holder, 0) - size_bytes
        if left > 0:
            self._used_by[holder] = left
        else:
            self._used_by.pop(holder, None)


class Share:
    """A connection's part of a budget. holder: who is at its other end, known once it is connected."""

    __slots__ = ("_budget", "holder")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.holder = ""

    def take(self, size_bytes: int, *, is_small: bool = False) -> bool:
        return self._budget.take(self.holder, size_bytes, is_small=is_small)

    def give(self, size_bytes: int) -> None:
        if size_bytes:
            self._budget.give(self.holder, size_bytes)
