"""AES-256-GCM for the objects below some prefixes: `aes-gcm:NAME:` + nonce + ciphertext, bound to the object's key and revision.

A sealed value moved to another object or revision does not open. Nonces are random; one key is good for 2^32 writes.
"""

import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pilothouse.engine.store.sealing import SealError

_MARK = b"aes-gcm:"
_NONCE_BYTES = 12


class Encryption:
    """keys: by name, the one that encrypts first; may be exchanged at any time. where: what the messages name as the place of the keys."""

    def __init__(self, keys: Mapping[str, bytes], prefixes: tuple[str, ...], where: str) -> None:
        self._prefixes = prefixes
        self._where = where
        self._ciphers: dict[bytes, AESGCM] = {}
        self.use(keys)

    def use(self, keys: Mapping[str, bytes]) -> None:
        """From now on; keys of before that are not among them still open what they have sealed."""
        self._ciphers = self._ciphers | {name.encode(): AESGCM(key) for name, key in keys.items()}
        first = next(iter(keys)).encode()
        # WHY one assignment: another thread may be sealing, and a key's name before another key's ciphertext opens never again.
        self._sealing_with = (_MARK + first + b":", self._ciphers[first])

    def seal(self, key: str, revision: int, value: bytes) -> bytes:
        if not key.startswith(self._prefixes):
            return value
        head, cipher = self._sealing_with
        nonce = os.urandom(_NONCE_BYTES)
        return head + nonce + cipher.encrypt(nonce, value, _bound_to(key, revision))

    def open(self, key: str, revision: int, stored: bytes) -> bytes:
        if not stored.startswith(_MARK):
            return stored
        name, _, sealed = stored[len(_MARK) :].partition(b":")
        cipher = self._ciphers.get(name)
        if cipher is None:
            shown = name[:32].decode(errors="replace")
            way_out = f"which {self._where} does not have: restore that file from a backup"
            raise SealError(f"{key} is encrypted with the key {shown!r}, {way_out}")
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(key, revision))
        except (InvalidTag, ValueError) as error:
            shown = name.decode(errors="replace")
            way_out = "restore the store and its keys from one backup"
            raise SealError(f"{key} does not open with the key {shown!r} of {self._where}: {way_out}") from error

    def is_current(self, key: str, stored: bytes) -> bool:
        return stored.startswith(self._sealing_with[0]) or not key.startswith(self._prefixes)


def _bound_to(key: str, revision: int) -> bytes:
    return f"{key}\0{revision}".encode()
