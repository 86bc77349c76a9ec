"""Requests for certificates (PKCS #10): what one asks for, and whether its signature proves that the asker has the key.

Algorithms are those that Go's crypto/x509 verifies, so that no request costs more than a signature of everyday size: DSA, MD5 and SHA-1
are refused, and RSA keys above 8192 bits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.x509 import CertificateBuilder, CertificateSigningRequest

BLOCK = "CERTIFICATE REQUEST"
_BEGIN = f"-----BEGIN {BLOCK}-----".encode()
_RSA_MOST_BITS = 8192
MOST_BYTES = 64 << 10
"""Of the PEM: a request with thousands of names takes as long as it is."""
_KEY_USAGES = {"digital signature": "digital_signature", "key encipherment": "key_encipherment"}
_NO_USAGE = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


class BadRequestError(ValueError):
    """Not a request that can be signed; the message names what is wrong with it."""


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """dns_names, addresses, emails, uris: the subject's alternative names, each as text and in the order of the request."""

    common_names: tuple[str, ...]
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()

    @property
    def common_name(self) -> str:
        """The only one; "" where there is none or where there are several, since readers differ in which of them counts."""
        return self.common_names[0] if len(self.common_names) == 1 else ""


def parse(pem: bytes) -> CertificateRequest:
    """Raises BadRequestError, also for a signature that does not match the request's key."""
    request = load(pem)
    return CertificateRequest(
        _of_subject(request, "COMMON_NAME"),
        _of_subject(request, "ORGANIZATION_NAME"),
        *_alternatives(request),
    )


def load(pem: bytes) -> "CertificateSigningRequest":
    """The verified request. Raises BadRequestError."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    if len(pem) > MOST_BYTES:
        raise BadRequestError(f"the request has {len(pem)} bytes: at most {MOST_BYTES} are read")
    if not pem.lstrip().startswith(_BEGIN):
        raise BadRequestError(f"PEM block type must be {BLOCK}")
    try:
        request = x509.load_pem_x509_csr(pem)
        _check_algorithms(request)
        is_proven = request.is_signature_valid
    except BadRequestError:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadRequestError(f"the request cannot be read: {str(error)[:200] or type(error).__name__}") from error
    if not is_proven:
        raise BadRequestError("the signature does not match the request's public key")
    return request


def _check_algorithms(request: "CertificateSigningRequest") -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    key = request.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise BadRequestError("the public key must be RSA, ECDSA or Ed25519")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size > _RSA_MOST_BITS:
        raise BadRequestError(f"the RSA key has {key.key_size} bits: at most {_RSA_MOST_BITS} are verified")
    algorithm = request.signature_hash_algorithm
    if algorithm is not None and algorithm.name in ("md5", "sha1"):
        raise BadRequestError(f"the signature's hash {algorithm.name} is insecure: use SHA-256 or better")


def _of_subject(request: "CertificateSigningRequest", name: str) -> tuple[str, ...]:
    from cryptography.x509.oid import NameOID

    return tuple(_text(attribute.value) for attribute in request.subject.get_attributes_for_oid(getattr(NameOID, name)))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def with_usages(builder: "CertificateBuilder", usages: Iterable[str]) -> "CertificateBuilder":
    """usages: as `certificates.k8s.io` names them. Raises ValueError for one that none of the cluster's signers grants."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    extended = {"client auth": ExtendedKeyUsageOID.CLIENT_AUTH, "server auth": ExtendedKeyUsageOID.SERVER_AUTH}
    wanted = set(usages)
    if unknown := wanted - {*extended, *_KEY_USAGES}:
        raise ValueError(f"no signer grants the usage {min(unknown)!r}")
    if wanted & {*_KEY_USAGES}:
        flags = {flag: name in wanted for name, flag in _KEY_USAGES.items()}
        builder = builder.add_extension(x509.KeyUsage(**_NO_USAGE | flags), critical=True)
    purposes = [extended[name] for name in extended if name in wanted]
    return builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False) if purposes else builder


def alternatives(request: "CertificateSigningRequest") -> "list[x509.GeneralName]":
    """DNS names, addresses, email addresses and URIs; other kinds of names are left out. Raises BadRequestError."""
    from cryptography import x509

    try:
        found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise BadRequestError(f"the alternative names cannot be read: {error}") from error
    return [name for name in found if isinstance(name, _kinds())]


def _kinds() -> "tuple[type[x509.GeneralName], ...]":
    from cryptography import x509

    return x509.DNSName, x509.IPAddress, x509.RFC822Name, x509.UniformResourceIdentifier


def _alternatives(request: "CertificateSigningRequest") -> tuple[tuple[str, ...], ...]:
    found = alternatives(request)
    return tuple(tuple(str(name.value) for name in found if isinstance(name, kind)) for kind in _kinds())
