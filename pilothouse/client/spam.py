"""Who talks too much about one thing is not heard for a while: a token bucket a key."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

BURST = 25
REFILL_S = 300.0
REMEMBERED = 4096


class SpamFilter:
    """25 at once, then one every five minutes, as client-go's. clock: seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def allows(self, key: Hashable) -> bool:
        now = self._clock()
        tokens, at = self._buckets.get(key, (float(BURST), now))
        tokens = min(float(BURST), tokens + max(now - at, 0.0) / REFILL_S)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - 1 if allowed else tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return allowed
