"""The Secrets of an instance: what is there is kept, what is missing or due is made (random, else pure).

None of them carries the label `managed-by`, by which the Apps' part of the platform may list Secrets.
"""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, names, tls
from pilothouse.platform.databases.mysql.tls import Files

REPLICATION = "replication"
"""Name of the account by which members follow the primary."""
REPLICATION_KEY = "replication-password"
"""Key of the system Secret: the password with which members follow, and the archive. A rotation has others beside it."""
PASSWORD_BYTES = 24


@dataclass(frozen=True, slots=True)
class Known:
    """What the Secrets of an instance hold, decoded; empty for one that is not there."""

    system: Files
    tls: Files
    job: Files
    access: Files

    @classmethod
    def of(cls, instance: Object, found: Mapping[str, Object]) -> "Known":
        """found: the Secrets that the instance owns, by name."""
        name = meta.name(instance)
        return cls(*(tls.files(found.get(each)) for each in (names.system(name), names.tls(name), names.job(name), name)))

    @property
    def is_whole(self) -> bool:
        return all((self.system, self.tls, self.job, self.access))


def wanted(instance: Object, known: Known, now: float) -> list[Object]:
    """Those to create or to change, in the order in which one rests on the other."""
    name = meta.name(instance)
    system = _system(instance, known.system, now)
    found = {
        names.system(name): (known.system, system),
        names.tls(name): (known.tls, _members(instance, known.tls, system, now)),
        names.job(name): (known.job, _jobs(known.job, system, now)),
        name: (known.access, _access(instance, known.access, system)),
    }
    return [_secret(instance, each, new) for each, (old, new) in found.items() if old != new]


def _system(instance: Object, old: Files, now: float) -> Files:
    if not old.get("ca.key"):
        return tls.new_root(instance, now) | {REPLICATION_KEY: random_password()}
    return old | (tls.renewed_root(old, now) if tls.is_due(old["ca.crt"], now) else {})


def _members(instance: Object, old: Files, root: Files, now: float) -> Files:
    return old if _is_good(old, root, now, ("tls.crt", "member.crt")) else tls.of_members(instance, root, now)


def _jobs(old: Files, root: Files, now: float) -> Files:
    return old if _is_good(old, root, now, ("tls.crt",)) else tls.of_jobs(root, now)


def _is_good(old: Files, root: Files, now: float, certificates: tuple[str, ...]) -> bool:
    if old.get("ca.crt") != root["ca.crt"]:
        return False
    return all(each in old and not tls.is_due(old[each], now) for each in certificates)


def _access(instance: Object, old: Files, root: Files) -> Files:
    """What a client needs. Keys: Service Binding specification for Kubernetes 1.1, "Well-known Secret Entries"."""
    name, space = meta.name(instance), meta.namespace(instance)
    user, database = names.account(name), names.database(instance)
    host = names.host(name, space)
    password = old.get("password") or random_password()
    uri = f"mysql://{user}:{quote(password.decode(), safe='')}@{host}:{names.PORT}/{database}"
    return old | {
        "type": b"mysql",
        "provider": b"pilothouse",
        "host": host.encode(),
        "port": str(names.PORT).encode(),
        "database": database.encode(),
        "username": user.encode(),
        "password": password,
        "uri": uri.encode(),
        "ca.crt": root["ca.crt"],
    }


def _secret(instance: Object, name: str, data: Files) -> Object:
    made = labels.metadata(instance, name)
    del made["labels"][labels.MANAGER]
    kind = "servicebinding.io/mysql" if name == meta.name(instance) else "Opaque"
    return {
        "apiVersion": kinds.SECRETS.api_version,
        "kind": kinds.SECRETS.kind,
        "metadata": made,
        "type": kind,
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def random_password() -> bytes:
    return secrets.token_urlsafe(PASSWORD_BYTES).encode()
