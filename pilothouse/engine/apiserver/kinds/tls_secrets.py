"""Whether the two halves of a TLS secret fit together. Source: Go's crypto/tls, X509KeyPair, of which upstream warns in its words."""

import base64
import binascii

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pilothouse.engine.apiserver.kinds import pem
from pilothouse.model.json import Object

_KEY = "PRIVATE KEY"
_LARGEST = 16_384
"""Bytes of a certificate or key that is looked into: nobody has larger ones, and the event loop waits."""
_COMPARED = (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)


def pair_problem(data: Object) -> str:
    """data: as a Secret holds it. "" when a server could use the pair."""
    certificates = _blocks(data.get("tls.crt"))
    certificate = next((der for kind, der in certificates if kind == pem.CERTIFICATE), None)
    if certificate is None:
        return _no_certificate([kind for kind, _ in certificates])
    keys = _blocks(data.get("tls.key"))
    key = next((der for kind, der in keys if kind == _KEY or kind.endswith(f" {_KEY}")), None)
    if key is None:
        return _no_key([kind for kind, _ in keys])
    return "" if max(len(certificate), len(key)) > _LARGEST else _misfit(certificate, key)


def _blocks(encoded: str | None) -> list[tuple[str, bytes]]:
    try:
        text = base64.b64decode(encoded or "").decode("latin-1")
    except (binascii.Error, ValueError):
        return []
    found = []
    for kind, content in pem.blocks(text):
        try:
            found.append((kind, base64.b64decode("".join(content.split()), validate=True)))
        except binascii.Error:
            continue
    return found


def _no_certificate(kinds: list[str]) -> str:
    if not kinds:
        return "tls: failed to find any PEM data in certificate input"
    if len(kinds) == 1 and kinds[0].endswith(_KEY):
        found = "but did find a private key; PEM inputs may have been switched"
        return f"tls: failed to find certificate PEM data in certificate input, {found}"
    skipped = f"certificate input after skipping PEM blocks of the following types: [{' '.join(kinds)}]"
    return f'tls: failed to find "{pem.CERTIFICATE}" PEM block in {skipped}'


def _no_key(kinds: list[str]) -> str:
    if not kinds:
        return "tls: failed to find any PEM data in key input"
    if kinds == [pem.CERTIFICATE]:
        return "tls: found a certificate rather than a key in the PEM for the private key"
    skipped = f"key input after skipping PEM blocks of the following types: [{' '.join(kinds)}]"
    return f'tls: failed to find PEM block with type ending in "{_KEY}" in {skipped}'


def _misfit(certificate: bytes, key: bytes) -> str:
    try:
        public = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "x509: malformed certificate"
    try:
        own = serialization.load_der_private_key(key, None, unsafe_skip_rsa_key_validation=True).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "tls: failed to parse private key"
    if not isinstance(public, _COMPARED):
        return "tls: unknown public key algorithm"
    if type(public) is not type(own):
        return "tls: private key type does not match public key type"
    return "" if public == own else "tls: private key does not match public key"
