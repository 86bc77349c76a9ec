"""A new key, and the request (PKCS #10) for a certificate of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """request, key: PEM. The key is P-256, as all of this cluster's."""

    request: bytes
    key: bytes = field(repr=False)

    @classmethod
    def make(cls, common_name: str, organizations: Sequence[str], addresses: Sequence[str] = ()) -> "KeyRequest":
        """addresses: IP addresses to serve under. Takes a few milliseconds of processor time: call it in a thread."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        key = ec.generate_private_key(ec.SECP256R1())
        groups = [x509.NameAttribute(x509.oid.NameOID.ORGANIZATION_NAME, group) for group in organizations]
        subject = x509.Name([*groups, x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, common_name)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
        if addresses:
            names = [x509.IPAddress(ip_address(address)) for address in addresses]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        request = builder.sign(key, hashes.SHA256())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return cls(request.public_bytes(Encoding.PEM), pem)
