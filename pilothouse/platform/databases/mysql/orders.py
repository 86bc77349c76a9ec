"""The documents that tell members what to be, from what was decided (pure). docs/reference/database-agent.md has their fields."""

import hashlib
import json
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import names
from pilothouse.platform.databases.mysql.backups import archive
from pilothouse.platform.databases.mysql.parameters.check import normalized
from pilothouse.platform.databases.mysql.parameters.refused import taken
from pilothouse.platform.databases.mysql.topology.orders import Order
from pilothouse.platform.databases.mysql.types import MySQLSpec

MOST_BYTES = 1 << 20
"""Of a document that an agent takes."""
NOTHING: Object = {"accounts": [], "databases": [], "dropped": []}
"""An account or a database that no document names stays as it is."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a member's server is to make do with."""

    cpu_millis: int
    memory_bytes: int


def document(
    instance: Object, spec: MySQLSpec, order: Order, amounts: Amounts, version: str, replication: Object, inside: Object
) -> Object:
    """replication: the account by which members follow. inside: `accounts`, `databases` and `dropped`, which the primary alone is told."""
    space = meta.namespace(instance)
    kept_out = (instance.get("status") or {}).get("refusedParameters") or ()
    return (
        order.document()
        | {
            "instance": meta.name(instance),
            "uid": meta.uid(instance),
            "source": _address(order.source, space, names.PORT) if order.source else None,
            "seed": _seed(instance, order) if order.seed else None,
            "server": {
                "version": version,
                "memory_bytes": amounts.memory_bytes,
                "cpu_millis": amounts.cpu_millis,
                "parameters": taken(normalized(spec.flavour, spec.parameters), kept_out),
            },
            "archive": {"position": archived_through(instance)} if archive.is_wanted(instance) else None,
            "replication": replication,
        }
        | (inside if order.role == "primary" else NOTHING)
    )


def archived_through(instance: Object) -> str:
    return str((instance.get("status") or {}).get("archivedThrough") or "")


def fitting(document: Object) -> tuple[bytes, str]:
    """What is sent, and what of it an agent would not take, as a sentence: its role is told to a member whatever else there is to tell."""
    text = encoded(document)
    if len(text) <= MOST_BYTES:
        return text, ""
    counts = ", ".join(f"{len(document[key])} {said}" for key, said in (("accounts", "accounts"), ("databases", "databases")))
    beyond = f"{counts} and what is to be dropped need {len(text):,} bytes, of which an agent takes {MOST_BYTES:,}"
    return encoded(document | NOTHING), f"{beyond}: accounts and databases stay as they are until there are fewer"


def encoded(document: Object) -> bytes:
    """Canonical JSON: what is sent, and what `digest` is of."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _seed(instance: Object, order: Order) -> Object:
    """The instance's uid identifies the request: the same data are not begun twice."""
    found: Object = {"kind": order.seed, "id": meta.uid(instance)}
    return found | (_address(order.donor, meta.namespace(instance), names.AGENT_PORT) if order.donor else {})


def _address(member: str, namespace: str, port: int) -> Object:
    return {"host": names.member_host(member, namespace), "port": port}
