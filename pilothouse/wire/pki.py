"""A certificate authority in a directory, and what it issues: server and client certificates on P-256 keys.

`cryptography` costs 15 MB of memory, so it is imported when something is issued, not before. Certificates are valid from
five minutes ago, since clocks of two machines are never quite alike. Private keys are readable by their owner only.
"""

import datetime
import hashlib
import ipaddress
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.wire import certificate_request

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes, PrivateKeyTypes

CA_DAYS = 3650
LEAF_DAYS = 365
BACKDATED = datetime.timedelta(minutes=5)
SHORT_S = 8 * 3600
"""Of a lifetime: below it the five minutes would be felt."""
Now = Callable[[], float]
"""Seconds of the epoch, for tests that decide what time it is."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Write `name.crt` and `name.key`; returns the two paths."""
        certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
        write_private(key, self.key)
        _write(certificate, self.certificate, 0o644)
        return certificate, key


class CertificateAuthority:
    """Signs with the key in `directory/ca.key`; `directory/ca.crt` is what others trust."""

    def __init__(self, pair: KeyPair, *, now: Now = time.time) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        self.certificate = pair.certificate
        self._now = now
        self._issuer = x509.load_pem_x509_certificate(pair.certificate)
        self._key: EllipticCurvePrivateKey = load_pem_private_key(pair.key, None)  # type: ignore[assignment]

    @classmethod
    def create(
        cls,
        directory: Path,
        common_name: str = "pilothouse-ca",
        days: int = CA_DAYS,
        *,
        permitted: Sequence[str] = (),
        now: Now = time.time,
    ) -> "CertificateAuthority":
        """Make a new authority and write it to the directory, which is made when missing.

        permitted: DNS domains; when given, clients accept its certificates for names in these alone (RFC 5280, 4.2.1.10).
        """
        directory.mkdir(parents=True, exist_ok=True)
        pair = new_authority(common_name, days, permitted=permitted, now=now())
        pair.write(directory, "ca")
        return cls(pair, now=now)

    @classmethod
    def load(cls, directory: Path, *, now: Now = time.time) -> "CertificateAuthority":
        """Raises FileNotFoundError where there is none, ValueError where a file is damaged."""
        return cls(KeyPair((directory / "ca.crt").read_bytes(), (directory / "ca.key").read_bytes()), now=now)

    @property
    def permitted(self) -> tuple[str, ...]:
        """The DNS domains that it may speak for; none means every one."""
        from cryptography import x509

        try:
            found = self._issuer.extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound:
            return ()
        return tuple(name.value for name in found.permitted_subtrees or () if isinstance(name, x509.DNSName))

    def reissued(self, directory: Path, *, permitted: Sequence[str], days: int = CA_DAYS) -> "CertificateAuthority":
        """The same authority, by name and key, with a new certificate of its own, written to the directory.

        Who trusts the old one believes what is signed from here on as before, for the names that the old one permits.
        """
        pair = renewed_authority(KeyPair(self.certificate, (directory / "ca.key").read_bytes()), days, permitted=permitted, now=self._now())
        _write(directory / "ca.crt", pair.certificate, 0o644)
        return CertificateAuthority(pair, now=self._now)

    def days_left(self, certificate: bytes) -> float:
        """As the function of that name, by this authority's clock."""
        return days_left(certificate, self._now())

    def has_issued(self, certificate: bytes) -> bool:
        """Whether this is a PEM certificate with this authority's signature."""
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature

        try:
            x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(self._issuer)
        except (InvalidSignature, TypeError, ValueError):
            return False
        return True

    def issue_server(self, names: Sequence[str], addresses: Sequence[str] = (), *, common_name: str = "", days: int = LEAF_DAYS) -> KeyPair:
        """For serving under these DNS names and IP addresses."""
        from cryptography import x509

        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        subject = _name(common_name or next(iter([*names, *addresses]), "server"))
        usage = x509.oid.ExtendedKeyUsageOID.SERVER_AUTH
        return self._issue(subject, usage, days, x509.SubjectAlternativeName(alternatives))

    def issue_client(self, common_name: str, organizations: Iterable[str] = (), *, days: int = LEAF_DAYS) -> KeyPair:
        """For a client; the API server takes the common name for the user and the organizations for the groups."""
        from cryptography import x509

        return self._issue(_name(common_name, organizations), x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH, days, None)

    def sign(self, request: bytes, usages: Iterable[str], lifetime_s: float) -> bytes:
        """The certificate (PEM) that a request (PEM) asks for: its subject, its key and its alternative names, for these usages.

        Other extensions of the request are left out, so that it cannot ask for an authority of its own. It ends with this authority
        at the latest; of a lifetime below SHORT_S, the time that it is backdated is not taken off. Raises BadRequestError, ValueError.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        asked = certificate_request.load(request)
        now = datetime.datetime.fromtimestamp(self._now(), datetime.UTC)
        backdated = BACKDATED if lifetime_s >= SHORT_S else datetime.timedelta()
        end = min(now + datetime.timedelta(seconds=lifetime_s) - backdated, self._issuer.not_valid_after_utc)
        if end <= now:
            raise ValueError("the certificate authority has expired")
        public = asked.public_key()
        builder = x509.CertificateBuilder(self._issuer.subject, asked.subject, public, x509.random_serial_number())
        builder = builder.not_valid_before(now - BACKDATED).not_valid_after(end)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(_public(self._issuer))
        builder = certificate_request.with_usages(builder.add_extension(authority, critical=False), usages)
        if names := certificate_request.alternatives(asked):
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not list(asked.subject))
        return _pem(builder.sign(self._key, hashes.SHA256()))

    def _issue(
        self, subject: "x509.Name", usage: "x509.ObjectIdentifier", days: int, alternatives: "x509.SubjectAlternativeName | None"
    ) -> KeyPair:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._issuer.subject, key.public_key(), days, self._now())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(_public(self._issuer))
        builder = builder.add_extension(authority, critical=False)
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        return KeyPair(_pem(builder.sign(self._key, hashes.SHA256())), _key_pem(key))


def new_authority(common_name: str, days: int = CA_DAYS, *, permitted: Sequence[str] = (), now: float | None = None) -> KeyPair:
    """A self-signed authority with a new key, written nowhere. permitted: as in `CertificateAuthority.create`."""
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    return _self_signed(_name(common_name), key, days, permitted, time.time() if now is None else now)


def renewed_authority(pair: KeyPair, days: int = CA_DAYS, *, permitted: Sequence[str] = (), now: float | None = None) -> KeyPair:
    """The same authority, by name and key, with a new certificate: what it has signed is believed by those who trust either."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    subject = x509.load_pem_x509_certificate(pair.certificate).subject
    key: EllipticCurvePrivateKey = load_pem_private_key(pair.key, None)  # type: ignore[assignment]
    return _self_signed(subject, key, days, permitted, time.time() if now is None else now)


def days_left(certificate: bytes, now: float | None = None) -> float:
    """Days until a PEM certificate expires; negative when it has. now: seconds of the epoch, the machine's clock without it."""
    from cryptography import x509

    end = x509.load_pem_x509_certificate(certificate).not_valid_after_utc
    return (end.timestamp() - (time.time() if now is None else now)) / 86_400


def validity(certificate: bytes) -> tuple[float, float]:
    """Begin and end of a PEM certificate, in seconds of the epoch."""
    from cryptography import x509

    found = x509.load_pem_x509_certificate(certificate)
    return found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()


def certificates(text: bytes) -> list[bytes]:
    """Each certificate (PEM) of a text that may hold several. Raises ValueError where there is none, or one cannot be read."""
    from cryptography import x509

    return [_pem(each) for each in x509.load_pem_x509_certificates(text)]


def public_key_hash(certificate: bytes) -> str:
    """`sha256:` and the hash of the public key (RFC 7469) of a PEM certificate, as kubeadm pins an authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_pem_x509_certificate(certificate).public_key()
    return "sha256:" + hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    _write(path, content, 0o600)


def _write(path: Path, content: bytes, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _self_signed(subject: "x509.Name", key: "EllipticCurvePrivateKey", days: int, permitted: Sequence[str], now: float) -> KeyPair:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    builder = _builder(subject, subject, key.public_key(), days, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    if permitted:
        names = [x509.DNSName(domain) for domain in permitted]
        builder = builder.add_extension(x509.NameConstraints(permitted_subtrees=names, excluded_subtrees=None), critical=True)
    return KeyPair(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def _builder(
    subject: "x509.Name", issuer: "x509.Name", public: "CertificateIssuerPublicKeyTypes", days: int, now: float
) -> "x509.CertificateBuilder":
    from cryptography import x509

    begin = datetime.datetime.fromtimestamp(now, datetime.UTC)
    builder = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
    builder = builder.not_valid_before(begin - BACKDATED).not_valid_after(begin + datetime.timedelta(days=days))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


def _name(common_name: str, organizations: Iterable[str] = ()) -> "x509.Name":
    from cryptography import x509

    parts = [x509.NameAttribute(x509.oid.NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    return x509.Name([*parts, x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, common_name)])


def _key_usage(*, signs_certificates: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _public(certificate: "x509.Certificate") -> "CertificateIssuerPublicKeyTypes":
    return certificate.public_key()  # type: ignore[return-value]  # an authority's key can sign


def _pem(certificate: "x509.Certificate") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: "PrivateKeyTypes") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
