"""Where in its life an instance is: whether it serves, is to stop, or goes (pure)."""

from enum import Enum

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, names
from pilothouse.platform.databases.mysql.types import MySQLSpec
from pilothouse.platform.databases.resource import BACKUPS, MYSQLS

FOREGROUND = "foregroundDeletion"
"""Finalizer by which the cluster deletes what an object owns before the object itself."""


class Stage(Enum):
    """SERVING also while a deletion is held up. REMOVING: everything goes, the data too."""

    SERVING = "serving"
    SUSPENDED = "suspended"
    REMOVING = "removing"


def stage(instance: Object, spec: MySQLSpec, backup: Object | None, *, namespace_goes: bool) -> Stage:
    """backup: the last one, if it was begun. An instance that is suspended serves as long as its last backup is taken."""
    if not meta.is_deleting(instance):
        return Stage.SUSPENDED if spec.suspended else Stage.SERVING
    if namespace_goes:
        return Stage.REMOVING
    if spec.deletion_protection:
        return Stage.SUSPENDED if spec.suspended else Stage.SERVING
    return Stage.SERVING if awaits_backup(instance, spec, backup) else Stage.REMOVING


def awaits_backup(instance: Object, spec: MySQLSpec, backup: Object | None) -> bool:
    """Of one that is being deleted. One that never had data has nothing to save."""
    has_data = bool((instance.get("status") or {}).get("seeded"))
    return not spec.deletion_protection and spec.final_backup and has_data and _phase(backup) != "Succeeded"


def deletion(instance: Object, spec: MySQLSpec, backup: Object | None) -> tuple[str, str, str] | None:
    """Status, reason and message of the condition Deleting; None for an instance that nobody deletes."""
    if not meta.is_deleting(instance):
        return None
    name = meta.name(instance)
    if spec.deletion_protection:
        return "False", "Protected", f"{name} is protected and goes on: set spec.deletionProtection to false to have it deleted"
    if not awaits_backup(instance, spec, backup):
        return "True", "Removing", "its members, volumes and Secrets go"
    last = names.final_backup(instance)
    if _phase(backup) == "Failed":
        why = ((backup or {}).get("status") or {}).get("message") or "it does not say why"
        way = f"delete backup {last} to try again, or {_without(name)}"
        return "False", "FinalBackupFailed", f"the last backup failed: {why}; {way}"
    return "True", "FinalBackup", f"waits for the last backup, {last}; {_without(name)}"


def _without(name: str) -> str:
    return f"`ph mysql delete {name} --no-final-backup` (spec.finalBackup: false) goes without one"


def final_backup(instance: Object, spec: MySQLSpec) -> Object:
    """It belongs to nobody, since it is there for when the instance is not."""
    name = meta.name(instance)
    return {
        "apiVersion": BACKUPS.api_version,
        "kind": BACKUPS.kind,
        "metadata": {
            "name": names.final_backup(instance),
            "namespace": meta.namespace(instance),
            "labels": {labels.INSTANCE: name, labels.FINAL: "yes"},
        },
        "spec": {"service": {"kind": MYSQLS.kind, "name": name}} | ({"store": spec.backup.store} if spec.backup.store else {}),
    }


def finalizers(instance: Object) -> list[str]:
    """Those that it is to have: ours, and not the one that would have the cluster take its pods while it is to go on."""
    if not meta.is_deleting(instance):
        return [*(each for each in meta.finalizers(instance) if each != labels.FINALIZER), labels.FINALIZER]
    return [each for each in meta.finalizers(instance) if each != FOREGROUND]


def is_going(namespace: Object | None) -> bool:
    return namespace is None or meta.is_deleting(namespace)


def _phase(backup: Object | None) -> str:
    return str(((backup or {}).get("status") or {}).get("phase") or "")
