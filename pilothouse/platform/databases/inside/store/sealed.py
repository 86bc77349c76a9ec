"""Encryption of what lies in a store: AES-256-GCM in chunks, under a key of its own for each thing.

A thing begins with MARK, the name of the store's key, and a random salt, of which with that key and the thing's name its own key is derived
(HKDF-SHA256). A store may have had other keys before: what was sealed with one is read as long as it is kept. Chunks
of CHUNK bytes follow, each with its tag; a chunk's nonce holds its number and whether it is the last. So a chunk that is changed,
left out, moved, or taken from another thing is noticed, and a thing that is cut off too: its last chunk is missing.
Source: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizar, 2015) as Tink's AES-GCM-HKDF streaming uses it.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pilothouse.platform.databases.inside.store.seam import Reader, Store, Writer

MARK = b"pilothouse-seal-2\n"
_MARK_1 = b"pilothouse-seal-1\n"
"""Of the first version, which did not name the key: each is tried."""
KEY_BYTES = 32
CHUNK = 1 << 20
_TAG = 16
_SALT = 32
_ID = 8
HEAD = len(MARK) + _ID + _SALT
_MOST_CHUNKS = 1 << 32


class BrokenSeal(Exception):
    """What lies in the store is not what was written there. str(error): a sentence."""


class UnknownKey(BrokenSeal):
    """It is sealed with a key that is not among the store's."""


@dataclass(frozen=True, slots=True)
class Keys:
    """current: what is written is sealed with it. old: others that things may be sealed with."""

    current: bytes
    old: tuple[bytes, ...] = ()

    @property
    def all(self) -> tuple[bytes, ...]:
        return (self.current, *self.old)

    def of_id(self, wanted: bytes) -> bytes | None:
        return next((key for key in self.all if id_of(key) == wanted), None)


def id_of(key: bytes) -> bytes:
    """A key's name, which tells nothing of it."""
    return hashlib.sha256(b"pilothouse key\n" + key).digest()[:_ID]


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

    def __init__(self, store: Store, name: str, keys: Keys) -> None:
        salt = os.urandom(_SALT)
        self._cipher = _cipher(keys.current, salt, name)
        self._buffer = bytearray()
        self._number = 0
        self._hash = hashlib.sha256()
        self.size = 0
        self._writer: Writer = store.write(name)
        self._put(MARK + id_of(keys.current) + salt)

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


def unsealed(store: Store, name: str, keys: Keys) -> Iterator[bytes]:
    """The chunks of a thing, each only when its tag is right. Raises BrokenSeal, Missing or StoreError."""
    reader = store.read(name)
    try:
        yield from _chunks(reader, name, keys)
    finally:
        reader.close()


def _chunks(reader: Reader, name: str, keys: Keys) -> Iterator[bytes]:
    candidates, head = _candidates(reader, name, keys)
    salt, chunk = _exactly(reader, _SALT), _exactly(reader, CHUNK + _TAG)
    if len(salt) < _SALT:
        raise BrokenSeal(f"{name} in the store does not begin as a sealed file does")
    ciphers, number = [_cipher(key, salt, name) for key in candidates], 0
    while True:
        following = _exactly(reader, CHUNK + _TAG)
        cipher, opened = _opened(ciphers, _nonce(number, last=not following), chunk)
        if cipher is None:
            what = "has been changed or cut off" + ("" if head == MARK else ", or is sealed with another key")
            raise BrokenSeal(f"{name} in the store {what} (about byte {HEAD + number * (CHUNK + _TAG)})")
        yield opened
        if not following:
            return
        ciphers, chunk, number = [cipher], following, number + 1


def _candidates(reader: Reader, name: str, keys: Keys) -> tuple[Sequence[bytes], bytes]:
    """Keys that the thing may be sealed with, and its mark. The reader stands before the salt then."""
    mark = _exactly(reader, len(MARK))
    if mark == _MARK_1:
        return keys.all, mark
    named = _exactly(reader, _ID) if mark == MARK else b""
    if len(named) < _ID:
        raise BrokenSeal(f"{name} in the store does not begin as a sealed file does")
    key = keys.of_id(named)
    if key is None:
        way_out = "put that one back into the Secret beside the new one, as old-1"
        raise UnknownKey(f"{name} is sealed with the key {named.hex()}, and the store's Secret has {id_of(keys.current).hex()}: {way_out}")
    return (key,), mark


def _opened(ciphers: Sequence[AESGCM], nonce: bytes, chunk: bytes) -> tuple[AESGCM | None, bytes]:
    for cipher in ciphers:
        try:
            return cipher, cipher.decrypt(nonce, chunk, None)
        except InvalidTag:
            continue
    return None, b""


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


def put(store: Store, name: str, keys: Keys, data: bytes) -> int:
    """Seal something small; returns its size in the store."""
    sealer = Sealer(store, name, keys)
    try:
        sealer.write(data)
        sealer.commit()
    except BaseException:
        sealer.abort()
        raise
    return sealer.size


def get(store: Store, name: str, keys: Keys) -> bytes:
    return b"".join(unsealed(store, name, keys))
