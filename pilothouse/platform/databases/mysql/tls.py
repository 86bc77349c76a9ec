"""The authority of an instance and what it signs: the members' server certificate, and who is who among clients of the agents.

Each instance has an authority of its own, so that a client that trusts it trusts no other instance, and a certificate of one opens
nothing in another. Everything is renewed when a third of its lifetime is left; the authority keeps its key then.
"""

import base64
from collections.abc import Mapping

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import names
from pilothouse.wire.pki import CertificateAuthority, KeyPair, new_authority, renewed_authority, validity

DOMAIN = "cluster.local"
OPERATOR, MEMBER, JOB = "operator", "member", "job"
"""Common names of client certificates, by which agents know what a client may ask for."""
OPERATOR_DAYS = 7
"""Of the operator's own, which is kept in memory and made anew by each operator."""
Files = dict[str, bytes]
"""A Secret's data, decoded."""


def files(secret: Object | None) -> Files:
    return {key: base64.b64decode(value) for key, value in ((secret or {}).get("data") or {}).items()}


def new_root(instance: Object, now: float) -> Files:
    pair = new_authority(f"{meta.name(instance)}.{meta.namespace(instance)} databases.pilothouse.dev", now=now)
    return {"ca.crt": pair.certificate, "ca.key": pair.key}


def renewed_root(root: Mapping[str, bytes], now: float) -> Files:
    pair = renewed_authority(KeyPair(root["ca.crt"], root["ca.key"]), now=now)
    return {"ca.crt": pair.certificate, "ca.key": pair.key}


def of_members(instance: Object, root: Mapping[str, bytes], now: float) -> Files:
    """What is mounted beside the servers: their certificate, and the one by which a member is known to another."""
    authority = _authority(root, now)
    served = authority.issue_server(server_names(instance), ("127.0.0.1", "::1"), common_name=meta.name(instance))
    own = authority.issue_client(MEMBER)
    return {
        "ca.crt": root["ca.crt"],
        "tls.crt": served.certificate,
        "tls.key": served.key,
        "member.crt": own.certificate,
        "member.key": own.key,
    }


def of_jobs(root: Mapping[str, bytes], now: float) -> Files:
    pair = _authority(root, now).issue_client(JOB)
    return {"ca.crt": root["ca.crt"], "tls.crt": pair.certificate, "tls.key": pair.key}


def of_operator(root: Mapping[str, bytes], now: float) -> KeyPair:
    return _authority(root, now).issue_client(OPERATOR, days=OPERATOR_DAYS)


def server_names(instance: Object) -> list[str]:
    """All that a client may call a member, short or in full; members by a wildcard, so that more of them need no other certificate."""
    name, space = meta.name(instance), meta.namespace(instance)
    services = [name, names.read(name), names.members(name)]
    found = [f"{service}{rest}" for service in services for rest in ("", f".{space}", f".{space}.svc", f".{space}.svc.{DOMAIN}")]
    members = [f"*.{names.members(name)}.{space}.svc{rest}" for rest in ("", f".{DOMAIN}")]
    return ["localhost", *found, *members]


def is_due(certificate: bytes, now: float) -> bool:
    """Whether two thirds of its lifetime are over."""
    begin, end = validity(certificate)
    return now > begin + (end - begin) * 2 / 3


def belong(certificate: bytes, root: Mapping[str, bytes]) -> bool:
    """Whether the authority has issued it."""
    return _authority(root, 0).has_issued(certificate)


def _authority(root: Mapping[str, bytes], now: float) -> CertificateAuthority:
    return CertificateAuthority(KeyPair(root["ca.crt"], root["ca.key"]), now=lambda: now)
