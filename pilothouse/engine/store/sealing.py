"""The seam between an object's JSON and the bytes on disk, which lie in the database, its write-ahead log and every copy of them."""

from pathlib import Path
from typing import Protocol

from pilothouse.engine.store.errors import StoreUnusable


class Sealing(Protocol):
    """What is sealed can be told from JSON, so that a store may hold both. Called from the event loop and from the writer thread."""

    def seal(self, key: str, revision: int, value: bytes) -> bytes: ...

    def open(self, key: str, revision: int, stored: bytes) -> bytes:
        """Raises SealError."""
        ...

    def is_current(self, key: str, stored: bytes) -> bool:
        """Whether `seal` would still do it in this way."""
        ...


class SealError(Exception):
    """A stored value cannot be opened; the message goes on after "the store PATH cannot be opened: "."""


class SealUnusable(StoreUnusable):
    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, f"The store {path} cannot be opened: {why}.")


class Plain:
    """JSON as it is."""

    def seal(self, key: str, revision: int, value: bytes) -> bytes:
        return value

    def open(self, key: str, revision: int, stored: bytes) -> bytes:
        if not stored.startswith(b"{"):
            raise SealError(f"{key} is encrypted, and no keys were given")
        return stored

    def is_current(self, key: str, stored: bytes) -> bool:
        return True
