"""Labels and names of what belongs to backups (pure)."""

from pilothouse.model import meta
from pilothouse.model.json import Object

INSTANCE = "databases.pilothouse.dev/instance"
JOB = "databases.pilothouse.dev/job"
"""Of pods that work for the instance it names: its network policy lets them in."""
TASK = "databases.pilothouse.dev/task"
BACKUP_UID = "databases.pilothouse.dev/backup-uid"
SCHEDULED = "databases.pilothouse.dev/scheduled"
"""Annotation: the time of the schedule that a backup was taken for."""
FINAL = "databases.pilothouse.dev/final"
FINALIZER = "databases.pilothouse.dev/backup"
DEFAULT_STORE = "default"


def instance_of(backup: Object) -> str:
    return str(backup["spec"]["service"]["name"])


def kind_of(backup: Object) -> str:
    return str(backup["spec"]["service"].get("kind") or "MySQL")


def job_name(obj: Object, task: str) -> str:
    return f"{meta.name(obj)[:40].rstrip('-.')}-{meta.uid(obj)[:8]}-{task}".replace(".", "-")


def claim(store: str) -> str:
    return f"{store}-backups"


def key_secret(store: Object) -> str:
    """The Secret with the key that everything in the store is sealed with."""
    return str((store["spec"].get("encryption") or {}).get("secret") or f"{meta.name(store)}-key")


def folder(instance: str, uid: str) -> str:
    """Of an instance in the store: another one may have its name later."""
    return f"{instance}-{uid}"


def location(instance: str, uid: str, backup: Object) -> str:
    return f"{folder(instance, uid)}/backups/{meta.name(backup)}-{meta.uid(backup)[:8]}"


def archive(instance: str, uid: str) -> str:
    return f"{folder(instance, uid)}/archive"
