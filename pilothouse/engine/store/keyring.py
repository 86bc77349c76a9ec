"""The file with the keys by which values are encrypted: a line each, `NAME KEY`, the key being 32 bytes in base64.

The first key encrypts, all of them decrypt. A rotation puts a new one in front; the old ones stay, for backups of the store.
"""

import base64
import binascii
import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pilothouse.engine.store.errors import StoreUnusable

KEY_BYTES = 32
_NAME = re.compile(r"[a-z0-9-]{1,32}")
_HEAD = """# Encrypts the Secrets in the store. The first key encrypts, all of them decrypt; without them the Secrets are lost.
# A key that is not the first may be removed once no backup of the store is older than its rotation.
"""


class KeyringError(StoreUnusable):
    """The file of keys cannot be used."""


def _unreadable(path: Path, error: OSError | UnicodeDecodeError) -> KeyringError:
    why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "they are no text"
    return KeyringError(path, f"The keys {path} cannot be read: {why}.")


def read(path: Path) -> dict[str, bytes]:
    """The keys by name, the one that encrypts first. Raises KeyringError."""
    try:
        text, mode = path.read_text(), path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    if mode & 0o077:
        raise KeyringError(path, f"The keys {path} can be read by others: `chmod 600 {path}`.")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    keys = dict(_entry(path, number, line) for number, line in enumerate(lines, 1))
    if len(keys) < len(lines) or not keys:
        raise KeyringError(path, f"The keys {path} have {'one name twice' if lines else 'no key in them'}: restore the file from a backup.")
    return keys


def ensure(path: Path) -> dict[str, bytes]:
    """`read`, of a file that is made with a first key when there is none. Raises KeyringError."""
    if not path.exists():
        _write(path, {"key-1": secrets.token_bytes(KEY_BYTES)})
    return read(path)


def rotate(path: Path) -> str:
    """Put a new key in front; returns its name. Raises KeyringError."""
    with _alone(path):
        keys = read(path)
        last = max((int(name.removeprefix("key-")) for name in keys if re.fullmatch(r"key-[0-9]{1,9}", name)), default=0)
        name = f"key-{last + 1}"
        _write(path, {name: secrets.token_bytes(KEY_BYTES), **keys})
    return name


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """No other rotation of the file for the block: a key that one of two has put in front would be lost, and what it encrypted."""
    try:
        descriptor = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _entry(path: Path, number: int, line: str) -> tuple[str, bytes]:
    name, _, text = line.partition(" ")
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _NAME.fullmatch(name) or len(key) != KEY_BYTES:
        wrong = f"entry {number} is not `NAME KEY` with {KEY_BYTES} bytes in base64"
        raise KeyringError(path, f"The keys {path} cannot be used: {wrong}; restore the file from a backup.")
    return name, key


def _write(path: Path, keys: Mapping[str, bytes]) -> None:
    """Whole or not at all, and on disk before anything is encrypted with it. Raises KeyringError."""
    text = _HEAD + "".join(f"{name} {base64.b64encode(key).decode()}\n" for name, key in keys.items())
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise KeyringError(path, f"The keys {path} cannot be written: {error.strerror}.") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
