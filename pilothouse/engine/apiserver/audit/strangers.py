"""What requests that nobody has signed in for may add to the log, so that they cannot push the history of everybody else out of its files.

Only requests that were refused count: what a stranger was allowed to do is recorded always.
"""

import time
from collections.abc import Callable

import structlog

from pilothouse.aio.meters import Counter

LEFT_OUT = "audit.pilothouse.dev/left-out"
"""Annotation: how many events of strangers are missing before this one."""
BURST_BYTES = 4 << 20
_DAY_S = 86400.0
_NAMED_EVERY_S = 3600.0

STRANGERS = Counter("apiserver_audit_strangers_left_out_total", "audit events of refused requests without identity that were left out")
_log = structlog.get_logger("audit")


class Share:
    """A bucket of bytes: BURST_BYTES at once, and `day_bytes` a day after that."""

    def __init__(self, day_bytes: int = 25 << 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = day_bytes / _DAY_S
        self._most = float(min(BURST_BYTES, day_bytes))
        self._clock = clock
        self._left = self._most
        self._at = clock()
        self._named = float("-inf")
        self._left_out = 0

    def take(self, size_bytes: int) -> bool:
        """Whether an event of that size may be recorded. One that may not is counted."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if size_bytes <= self._left:
            self._left -= size_bytes
            return True
        self._left_out += 1
        STRANGERS.add()
        if now - self._named > _NAMED_EVERY_S:
            self._named = now
            _log.warning("requests without identity are so many that not each of them is in the audit log")
        return False

    def left_out(self) -> int:
        """Events that were not recorded since this was last asked."""
        found, self._left_out = self._left_out, 0
        return found
