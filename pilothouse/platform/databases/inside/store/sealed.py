"""Encryption of what lies in a store: AES-256-GCM in chunks, under a key of its own for each thing.

A thing begins with MARK and a random salt, of which with the store's key and the thing's name its key is derived (HKDF-SHA256). Chunks
of CHUNK bytes follow, each with its tag; a chunk's nonce holds its number and whether it is the last. So a chunk that is changed,
left out, moved, or taken from another thing is noticed, and a thing that is cut off too: its last chunk is missing.
Source: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizar, 2015) as Tink's AES-GCM-HKDF streaming uses it.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pilothouse.platform.databases.inside.store.seam import Reader, Store, Writer

MARK = b"pilothouse-seal-1\n"
KEY_BYTES = 32
CHUNK = 1 << 20
_TAG = 16
_SALT = 32
_MOST_CHUNKS = 1 << 32


class BrokenSeal(Exception):
    """What lies in the store is not what was written there. str(error): a sentence."""


def key_of(text: str) -> bytes:
    """Of a Secret's text. Raises ValueError with a sentence."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"the store's encryption key is not {KEY_BYTES} bytes in base64")
    return key


class Sealer:
    """A Writer that seals. digest, size: of what has gone into the store."""

    def __init__(self, store: Store, name: str, key: bytes) -> None:
        salt = os.urandom(_SALT)
        self._cipher = _cipher(key, salt, name)
        self._buffer = bytearray()
        self._number = 0
        self._hash = hashlib.sha256()
        self.size = 0
        self._writer: Writer = store.write(name)
        self._put(MARK + salt)

    def write(self, data: bytes) -> None:
        """A full chunk is kept back until more comes: only then it is not the last."""
        self._buffer += data
        while len(self._buffer) > CHUNK:
            self._seal(bytes(self._buffer[:CHUNK]), last=False)
            del self._buffer[:CHUNK]

    def commit(self) -> None:
        self._seal(bytes(self._buffer), last=True)
        self._buffer.clear()
        self._writer.commit()

    def abort(self) -> None:
        self._writer.abort()

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    def _seal(self, chunk: bytes, last: bool) -> None:
        self._put(self._cipher.encrypt(_nonce(self._number, last), chunk, None))
        self._number += 1

    def _put(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)
        self._writer.write(data)


def unsealed(store: Store, name: str, key: bytes) -> Iterator[bytes]:
    """The chunks of a thing, each only when its tag is right. Raises BrokenSeal, Missing or StoreError."""
    reader = store.read(name)
    try:
        yield from _chunks(reader, name, key)
    finally:
        reader.close()


def _chunks(reader: Reader, name: str, key: bytes) -> Iterator[bytes]:
    head = _exactly(reader, len(MARK) + _SALT)
    if not head.startswith(MARK) or len(head) < len(MARK) + _SALT:
        raise BrokenSeal(f"{name} in the store does not begin as a sealed file does")
    cipher, number, chunk = _cipher(key, head[len(MARK) :], name), 0, _exactly(reader, CHUNK + _TAG)
    while True:
        following = _exactly(reader, CHUNK + _TAG)
        try:
            yield cipher.decrypt(_nonce(number, last=not following), chunk, None)
        except InvalidTag:
            what = "has been changed or cut off, or is sealed with another key"
            raise BrokenSeal(f"{name} in the store {what} (at byte {len(head) + number * (CHUNK + _TAG)})") from None
        if not following:
            return
        chunk, number = following, number + 1


def _exactly(reader: Reader, size: int) -> bytes:
    """So many bytes, or what there is until the end."""
    found = bytearray()
    while len(found) < size and (part := reader.read(size - len(found))):
        found += part
    return bytes(found)


def _cipher(key: bytes, salt: bytes, name: str) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=name.encode()).derive(key))


def _nonce(number: int, last: bool) -> bytes:
    if number >= _MOST_CHUNKS:
        raise ValueError("too much for one sealed file")
    return bytes(7) + number.to_bytes(4, "big") + (b"\1" if last else b"\0")


def put(store: Store, name: str, key: bytes, data: bytes) -> int:
    """Seal something small; returns its size in the store."""
    sealer = Sealer(store, name, key)
    try:
        sealer.write(data)
        sealer.commit()
    except BaseException:
        sealer.abort()
        raise
    return sealer.size


def get(store: Store, name: str, key: bytes) -> bytes:
    return b"".join(unsealed(store, name, key))
