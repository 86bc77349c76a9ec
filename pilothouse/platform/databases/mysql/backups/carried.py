"""What a Backup keeps of the instance that it was taken of, for one that begins with it (pure).

Shape of `status.source` of a Backup: `spec`, the fields KEPT of the instance's spec as they were when it was taken, and `database`,
the name of its first database. A Backup of an earlier version of the platform has none.
"""

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import names
from pilothouse.platform.databases.pattern.backups import labels

KEPT = ("flavour", "version", "image", "replicas", "size", "storageClass", "resources", "parameters", "access", "backup")
"""Not what was asked of one instance once: a restore, a switchover, a restart, a rotation, protection that was taken away."""


def of(instance: Object) -> Object:
    spec = instance["spec"]
    return {"spec": {key: spec[key] for key in KEPT if spec.get(key) not in (None, "")}, "database": names.database(instance)}


def spec(backup: Object) -> Object:
    """{} for one that keeps none."""
    found: Object = _source(backup).get("spec") or {}
    return found


def database(backup: Object) -> str:
    return str(_source(backup).get("database") or names.account(labels.instance_of(backup)))


def _source(backup: Object) -> Object:
    found: Object = (backup.get("status") or {}).get("source") or {}
    return found
