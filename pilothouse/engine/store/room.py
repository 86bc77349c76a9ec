"""How much is stored, and what no longer fits: a bound for one object and one for all.

Everything lies in memory as well as on disk, so that without a bound over all a single tenant ends the process, and its next
start too, which reads everything before it serves.
"""

from pilothouse.engine.store.errors import ObjectTooLarge, QuotaExceeded
from pilothouse.engine.store.record import Record

OBJECT_BYTES = 3 << 19
"""The largest object, as JSON: 1.5 MiB, etcd's limit, which clients and operators know."""

QUOTA_BYTES = 256 << 20
"""All objects together, as JSON; decoded they take several times that in memory."""


class Room:
    """used_bytes: of all objects as the latest writes left them, those on their way to disk included; history is not counted."""

    def __init__(self, used_bytes: int, quota_bytes: int) -> None:
        self.used_bytes = used_bytes
        self.quota_bytes = quota_bytes

    def check(self, record: Record, previous: Record | None) -> None:
        """Raises ObjectTooLarge, QuotaExceeded. What makes an object smaller always fits, so that a full store can be tidied up."""
        size, before = len(record.raw), 0 if previous is None else len(previous.raw)
        if size <= before:
            return
        if size > OBJECT_BYTES:
            raise ObjectTooLarge(size, OBJECT_BYTES)
        if self.used_bytes + size - before > self.quota_bytes:
            raise QuotaExceeded(self.used_bytes, self.quota_bytes)

    def take(self, record: Record | None, previous: Record | None) -> None:
        """record: None when the object is gone."""
        self.used_bytes += (0 if record is None else len(record.raw)) - (0 if previous is None else len(previous.raw))
