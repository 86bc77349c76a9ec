"""Exponential back-off as values, so that whoever waits does the waiting on their own clock."""

import random
from collections.abc import Callable


class Backoff:
    """Delays that grow by `factor` up to `cap_s`. jitter 0.2 adds up to 20% to each, so that many clients spread out."""

    def __init__(
        self,
        initial_s: float = 0.01,
        *,
        factor: float = 2.0,
        cap_s: float = 30.0,
        jitter: float = 0.0,
        random: Callable[[], float] = random.random,
    ) -> None:
        if initial_s <= 0 or factor < 1 or cap_s < initial_s or jitter < 0:
            raise ValueError(f"back-off {initial_s=} {factor=} {cap_s=} {jitter=} does not grow")
        self.initial_s = initial_s
        self.factor = factor
        self.cap_s = cap_s
        self.jitter = jitter
        self.attempts = 0
        self._random = random
        self._next_s = initial_s

    def next_s(self) -> float:
        """How long to wait before the next attempt; counts the attempt."""
        delay_s = self._next_s
        self.attempts += 1
        self._next_s = min(self.cap_s, delay_s * self.factor)
        return delay_s * (1 + self.jitter * self._random())

    def reset(self) -> None:
        """Start over after a success."""
        self.attempts = 0
        self._next_s = self.initial_s
