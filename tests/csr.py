"""Requests for certificates, and the keys that they are made with."""

import ipaddress
from base64 import b64encode
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pilothouse.model.certificates import KUBELET_CLIENT
from pilothouse.model.json import Object

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
KEY = ec.generate_private_key(ec.SECP256R1())
KEY_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
CLIENT = ("digital signature", "client auth")
SERVER = ("digital signature", "server auth")


def request(name: str, *organizations: str, dns: str = "", ip: str = "") -> bytes:
    """PEM, signed with KEY. name: several common names stand apart by blanks."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    subject = x509.Name([*parts, *(x509.NameAttribute(NameOID.COMMON_NAME, each) for each in name.split())])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    names: list[x509.GeneralName] = [x509.DNSName(dns)] if dns else []
    names += [x509.IPAddress(ipaddress.ip_address(ip))] if ip else []
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


def csr(name: str, pem: bytes, signer: str = "example.com/s", usages: tuple[str, ...] = CLIENT, **spec: Any) -> Object:
    asked = {"request": b64encode(pem).decode(), "signerName": signer, "usages": list(usages)}
    return {"metadata": {"name": name}, "spec": asked | spec}


def node_csr(name: str, node: str, **spec: Any) -> Object:
    """What a node asks for to sign in with."""
    return csr(name, request(f"system:node:{node}", "system:nodes"), KUBELET_CLIENT, **spec)


def condition(kind: str = "Approved", **more: Any) -> Object:
    return {"type": kind, "status": "True", "reason": "R", "message": "m"} | more
