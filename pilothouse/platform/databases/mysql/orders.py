"""The documents that tell members what to be, from what was decided (pure). docs/reference/database-agent.md has their fields."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import names
from pilothouse.platform.databases.mysql.objects.secrets import REPLICATION, Known
from pilothouse.platform.databases.mysql.parameters.check import normalized
from pilothouse.platform.databases.mysql.topology.orders import Order
from pilothouse.platform.databases.mysql.types import MySQLSpec


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a member's server is to make do with."""

    cpu_millis: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Inside:
    """What is in the server beside data: accounts, databases and what was dropped, as the document has them; of the primary alone."""

    accounts: Sequence[Object] = ()
    databases: Sequence[Object] = ()
    dropped: Sequence[Object] = ()


def document(instance: Object, spec: MySQLSpec, order: Order, amounts: Amounts, version: str, known: Known, inside: Inside) -> Object:
    space = meta.namespace(instance)
    is_primary = order.role == "primary"
    return order.document() | {
        "instance": meta.name(instance),
        "uid": meta.uid(instance),
        "source": _address(order.source, space, names.PORT) if order.source else None,
        "seed": _seed(instance, order) if order.seed else None,
        "server": {
            "version": version,
            "memory_bytes": amounts.memory_bytes,
            "cpu_millis": amounts.cpu_millis,
            "parameters": normalized(spec.flavour, spec.parameters),
        },
        "accounts": [own_account(instance, known), *inside.accounts] if is_primary else [],
        "databases": [own_database(instance), *inside.databases] if is_primary else [],
        "dropped": list(inside.dropped) if is_primary else [],
        "replication": {"user": REPLICATION, "password": known.system["replication-password"].decode()},
    }


def own_account(instance: Object, known: Known) -> Object:
    """The first account, whose password is in the Secret that has the instance's name."""
    return {
        "name": names.account(meta.name(instance)),
        "password": known.access["password"].decode(),
        "old_password": known.access.get("old-password", b"").decode(),
        "grants": [{"privileges": ["ALL"], "on": names.account(meta.name(instance))}],
        "max_connections": 0,
        "require": "ssl",
    }


def own_database(instance: Object) -> Object:
    return {"name": names.account(meta.name(instance)), "character_set": "utf8mb4", "collation": ""}


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
