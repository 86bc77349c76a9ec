"""Signed tokens (RFC 7519, ES256): making, checking, and publishing the key that checks them.

Only the one algorithm is accepted, so that a token cannot choose how it is verified. The key lives in a file of its own with
mode 0600; who can read it can be anybody.
"""

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from pilothouse.model.json import JSONError, Object, dumps, loads

_SIZE = 32


class BadToken(ValueError):
    """Not a token of ours; the message is for the log, never for the client."""


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise BadToken("not base64url") from error
    # One text for one value: spare bits in the last character must be zero.
    if _encode(data) != text:
        raise BadToken("not canonical base64url")
    return data


class Signer:
    """Signs and verifies with one P-256 key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        numbers = key.public_key().public_numbers()
        self._x, self._y = numbers.x.to_bytes(_SIZE, "big"), numbers.y.to_bytes(_SIZE, "big")
        self.key_id = _encode(hashlib.sha256(self._x + self._y).digest()[:16])
        self._header = _encode(dumps({"alg": "ES256", "kid": self.key_id}))

    @classmethod
    def load(cls, path: Path) -> "Signer":
        """The signer of the key in this file, which is made when it is missing."""
        if path.exists():
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise BadToken(f"{path} holds no P-256 key: remove it to have a new one made (all tokens become void)")
            return cls(key)
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        _write_private(path, pem)
        return cls(key)

    def sign(self, claims: Object) -> str:
        signed = f"{self._header}.{_encode(dumps(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encode(r.to_bytes(_SIZE, 'big') + s.to_bytes(_SIZE, 'big'))}"

    def verify(self, token: str) -> Object:
        """The claims of a token with a good signature; dates and audiences are the caller's. Raises BadToken."""
        parts = token.split(".")
        if len(parts) != 3:
            raise BadToken("not three parts")
        header, claims, signature = (_decode(part) for part in parts)
        if _object(header).get("alg") != "ES256" or len(signature) != 2 * _SIZE:
            raise BadToken("not signed with ES256")
        r, s = int.from_bytes(signature[:_SIZE], "big"), int.from_bytes(signature[_SIZE:], "big")
        signed = f"{parts[0]}.{parts[1]}".encode()
        try:
            self._key.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError) as error:
            raise BadToken("the signature does not match") from error
        return _object(claims)

    def jwks(self) -> Object:
        """The public key as a JSON Web Key Set (RFC 7517)."""
        key = {"use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256"}
        return {"keys": [key | {"x": _encode(self._x), "y": _encode(self._y)}]}


def _object(data: bytes) -> Object:
    try:
        value: Any = loads(data)
    except JSONError as error:
        raise BadToken("not JSON") from error
    if not isinstance(value, dict):
        raise BadToken("not an object")
    return value


def _write_private(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    # The name is on disk only with its directory: a key lost in a power cut would make every token void.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
