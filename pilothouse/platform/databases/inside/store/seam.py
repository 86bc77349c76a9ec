"""What a store of backups can do. Names are paths with `/`; a thing is there whole under its name, or not at all.

Every store passes tests/platform/databases/inside/store/contract.py. What goes wrong is a StoreError, whose sentence names the store.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

Reason = Literal["StoreFull", "StoreRefused", "StoreUnreachable", "StoreFailed"]


class StoreError(Exception):
    """StoreRefused: the credentials or rights do not do. StoreUnreachable: another attempt may help."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class Missing(Exception):
    """Nothing lies under the name."""


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    size: int


class Reader(Protocol):
    def read(self, size: int, /) -> bytes:
        """Up to so many bytes, none at the end. Raises StoreError when less comes than was stored."""

    def close(self) -> None: ...


class Writer(Protocol):
    def write(self, data: bytes, /) -> None: ...

    def commit(self) -> None:
        """The thing is there, on disk, in place of an earlier one of its name."""

    def abort(self) -> None:
        """As if it had never begun. May be called after anything, also after a failed commit."""


class Store(Protocol):
    def write(self, name: str) -> Writer: ...

    def read(self, name: str) -> Reader:
        """Raises Missing."""

    def entries(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """Of the names that begin with the prefix, those behind `after`, in order."""

    def delete(self, name: str) -> None:
        """Also when it is not there."""

    def tidy(self, prefix: str) -> None:
        """Remove what interrupted writes have left under the prefix. Not while somebody writes there."""
