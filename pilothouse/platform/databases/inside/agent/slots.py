"""A small record on the volume that can be changed when the volume is full, and is whole whenever it is read.

The file has its size from the beginning, every byte of it written, and is changed in place: no file system has to find room for that. It
has two slots that are written in turn, each with a count and a checksum, so that a write that breaks off leaves the other one.
"""

import json
import os
import zlib
from contextlib import suppress
from pathlib import Path

from pilothouse.platform.databases.inside.agent import files

_SLOT = 4096
"""Bytes: no device writes half of so few."""
Record = dict[str, int | str]


class Slots:
    """For one writer. record: what was written last; empty when nothing ever was. Raises OSError when the file cannot be read or made."""

    def __init__(self, file: Path) -> None:
        self._file = file
        found = [_read(file, place) for place in (0, 1)]
        self._count, self.record = max(found, key=lambda each: each[0])

    @property
    def is_made(self) -> bool:
        return self._count > 0

    def write(self, record: Record) -> None:
        """Returns when it would outlive a power cut. Raises OSError; the record before counts then."""
        count = self._count + 1
        text = _encoded(count, record)
        if self.is_made:
            self._overwrite(count % 2, text)
        else:
            self._make(text)
        self._count, self.record = count, record

    def _overwrite(self, place: int, text: bytes) -> None:
        descriptor = os.open(self._file, os.O_WRONLY)
        try:
            if os.pwrite(descriptor, text, place * _SLOT) != len(text):
                raise OSError(f"{self._file} was written in part")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _make(self, text: bytes) -> None:
        new = self._file.with_name(f".{self._file.name}.new")
        try:
            with new.open("wb") as file:
                file.write(bytes(_SLOT) + text)
                file.flush()
                os.fsync(file.fileno())
            new.rename(self._file)
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        files.sync_folder(self._file.parent)


def _encoded(count: int, record: Record) -> bytes:
    """Raises OSError for a record that is too long for a slot."""
    body = json.dumps({"count": count, **record}).encode()
    text = b"%08x %s" % (zlib.crc32(body), body)
    if len(text) > _SLOT:
        raise OSError(f"the record has {len(text)} bytes, and {_SLOT} are its most")
    return text.ljust(_SLOT)


def _read(file: Path, place: int) -> tuple[int, Record]:
    """Its count, 0 for a slot that was not written to its end, and the record."""
    try:
        with file.open("rb") as opened:
            opened.seek(place * _SLOT)
            checksum, _, body = opened.read(_SLOT).strip(b" \0").partition(b" ")
        if not body or int(checksum, 16) != zlib.crc32(body):
            return 0, {}
        found = json.loads(body)
    except (FileNotFoundError, ValueError):
        return 0, {}
    return int(found.pop("count")), found
