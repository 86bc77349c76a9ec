"""The largest packet that pods may send, which one part of a node's process decides and another one brings to pods' links.

Kept in a file: a process that starts goes by what was decided before, until it is decided again.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class PacketSize:
    """bytes: 0 for what the links of the machine carry. Not for several threads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._callbacks: list[Callable[[], None]] = []
        self.bytes = 0
        with suppress(OSError, ValueError):
            self.bytes = max(0, int(file.read_text()))

    def on_change(self, callback: Callable[[], None]) -> None:
        """One listener: a part that is made anew takes the place of the one before."""
        self._callbacks = [callback]

    def set(self, bytes: int) -> None:
        """Blocks for a small file. A disk that refuses costs the memory alone."""
        if bytes == self.bytes:
            return
        self.bytes = bytes
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(f"{bytes}\n")
        for callback in self._callbacks:
            callback()
