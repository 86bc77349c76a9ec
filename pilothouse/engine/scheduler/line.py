"""The order in which pods that are ready are placed: as the profile sorts them, and among equals who came first."""

import heapq
from collections.abc import Callable
from itertools import count


class SortedLine:
    """rank: of a key when it joins the line; the lower goes first."""

    def __init__(self, rank: Callable[[str], int]) -> None:
        self._rank = rank
        self._heap: list[tuple[int, int, str]] = []
        self._numbers = count()

    def append(self, key: str, /) -> None:
        heapq.heappush(self._heap, (self._rank(key), next(self._numbers), key))

    def popleft(self) -> str:
        return heapq.heappop(self._heap)[2]

    def __len__(self) -> int:
        return len(self._heap)
