"""The revisioned object store: every acknowledged write is on disk, every read comes from memory, every change can be watched.

Opened by the API server alone. Raises its own exceptions; what they mean over HTTP is the API server's matter.
"""

from pilothouse.engine.store.errors import (
    Compacted,
    FutureRevision,
    KeyExists,
    Mismatch,
    ObjectTooLarge,
    QuotaExceeded,
    StorageFailed,
    StorageFull,
    StoreBroken,
    StoreBusy,
    StoreClosed,
    StoreCorrupt,
    StoreLocked,
    StoreTooNew,
    StoreUnusable,
)
from pilothouse.engine.store.history import Limits
from pilothouse.engine.store.record import Change, ChangeType, Record
from pilothouse.engine.store.store import Store
from pilothouse.engine.store.watches import Field, Selection, Sink, Watch

__all__ = [
    "Change",
    "ChangeType",
    "Compacted",
    "Field",
    "FutureRevision",
    "KeyExists",
    "Limits",
    "Mismatch",
    "ObjectTooLarge",
    "QuotaExceeded",
    "Record",
    "Selection",
    "Sink",
    "StorageFailed",
    "StorageFull",
    "Store",
    "StoreBroken",
    "StoreBusy",
    "StoreClosed",
    "StoreCorrupt",
    "StoreLocked",
    "StoreTooNew",
    "StoreUnusable",
    "Watch",
]
