"""Whether a password is the one of a hash that `caching_sha2_password` keeps. Pure.

Source: the MySQL manual, "Caching SHA-2 Pluggable Authentication": `$A$`, the rounds in thousands as three hexadecimal digits, `$`, 20
bytes of salt and 43 signs of digest, which is that of Ulrich Drepper's "Unix crypt using SHA-256 and SHA-512" (public domain).
"""

import hmac
from functools import lru_cache
from hashlib import sha256

_SIGNS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HEAD, _SALT = len("$A$005$"), 20
_SIZE = 32


@lru_cache(maxsize=1024)
def is_of(password: str, kept: str) -> bool:
    """kept: as in `mysql.user`; another kind of hash, or none, is of no password."""
    if not kept.startswith("$A$") or len(kept) <= _HEAD + _SALT:
        return False
    salt = kept[_HEAD : _HEAD + _SALT].encode()
    return hmac.compare_digest(digest(password.encode(), salt, 1000 * int(kept[3:6], 16)).encode(), kept[_HEAD + _SALT :].encode())


def digest(password: bytes, salt: bytes, rounds: int) -> str:
    """Drepper's steps 4 to 22 in their order; the salt may have any length here."""
    inner = sha256(password + salt + password).digest()
    start = sha256(password + salt + _fill(inner, len(password)))
    length = len(password)
    while length:
        start.update(inner if length & 1 else password)
        length >>= 1
    state = start.digest()
    p = _fill(sha256(password * len(password)).digest(), len(password))
    s = _fill(sha256(salt * (16 + state[0])).digest(), len(salt))
    for i in range(rounds):
        state = _round(i, state, p, s)
    return _text(state)


def _round(i: int, state: bytes, p: bytes, s: bytes) -> bytes:
    return sha256((p if i & 1 else state) + (s if i % 3 else b"") + (p if i % 7 else b"") + (state if i & 1 else p)).digest()


def _fill(block: bytes, length: int) -> bytes:
    return (block * (length // _SIZE + 1))[:length]


def _text(state: bytes) -> str:
    """Three bytes are four signs, the lowest bits first; which bytes go together is the scheme's own."""
    a, b, c = 0, 10, 20
    made = []
    for _ in range(10):
        made.append(_signs(state[a] << 16 | state[b] << 8 | state[c], 4))
        a, b, c = c + 1, a + 1, b + 1
    made.append(_signs(state[31] << 8 | state[30], 3))
    return "".join(made)


def _signs(value: int, count: int) -> str:
    return "".join(_SIGNS[value >> 6 * i & 63] for i in range(count))
