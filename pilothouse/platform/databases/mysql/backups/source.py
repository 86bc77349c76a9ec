"""What an instance says of itself so that backups of it can be taken (pure)."""

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform.databases.mysql import names
from pilothouse.platform.databases.mysql.backups import carried
from pilothouse.platform.databases.pattern.backups.source import Hindrance, Target
from pilothouse.platform.databases.resource import MYSQLS

MOST_LAG_S = 5.0
"""Of a replica that a backup is taken from."""


class MySQLSource:
    instances: Resource = MYSQLS

    def image(self, instance: Object) -> str:
        return str((instance.get("status") or {}).get("image") or "")

    def size(self, instance: Object) -> str:
        return str(instance["spec"].get("size") or "1Gi")

    def carried(self, instance: Object) -> Object:
        return carried.of(instance)

    def target(self, instance: Object) -> Target | Hindrance:
        name, status = meta.name(instance), instance.get("status") or {}
        if status.get("phase") in ("Suspended", "Suspending"):
            return Hindrance("Suspended", f"{name} is suspended: resume it, and the backup is taken")
        members = [each for each in status.get("members") or () if each.get("ready")]
        replicas = [each for each in members if each.get("role") == "replica" and _lag_s(each) <= MOST_LAG_S]
        primary = [each for each in members if each["name"] == status.get("primary")]
        chosen = next(iter([*replicas, *primary]), None)
        if chosen is None:
            return Hindrance("NotReady", f"no member of {name} is ready to be copied")
        return member(instance, chosen["name"])


def member(instance: Object, name: str) -> Target:
    return Target(name, names.member_host(name, meta.namespace(instance)), names.AGENT_PORT, names.job(meta.name(instance)))


def _lag_s(each: Object) -> float:
    """A replica that does not tell it lags by any amount."""
    lag = each.get("lagSeconds")
    return float(lag) if lag is not None else float("inf")
