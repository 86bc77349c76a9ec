"""The claims of members' volumes (pure).

They are made before the StatefulSet would make them, so that they have the size that is wanted now, which its template cannot be
given later. They stay when a member goes, for the one that comes in its place, and go with the instance alone; but for one that never
had a volume.
"""

from collections.abc import Collection, Iterable

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity, canonical
from pilothouse.platform.databases.mysql import labels, names
from pilothouse.platform.databases.mysql.types import MySQLSpec


def claim(instance: Object, spec: MySQLSpec, member: str) -> Object:
    wanted: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": canonical(spec.size)}}}
    if spec.storage_class is not None:
        wanted["storageClassName"] = spec.storage_class
    return {
        "apiVersion": kinds.PERSISTENTVOLUMECLAIMS.api_version,
        "kind": kinds.PERSISTENTVOLUMECLAIMS.kind,
        "metadata": labels.metadata(instance, names.claim(member)),
        "spec": wanted,
    }


def unneeded(found: Iterable[Object], members: Collection[str]) -> list[Object]:
    """Claims that no volume was ever bound to, of members that are neither wanted nor there. members: those that are."""
    needed = {names.claim(each) for each in members}
    return [each for each in found if meta.name(each) not in needed and _never_bound(each) and not meta.is_deleting(each)]


def _never_bound(claim: Object) -> bool:
    return not claim["spec"].get("volumeName") and (claim.get("status") or {}).get("phase") == "Pending"


def requested(claim: Object) -> Quantity:
    return Quantity.of(claim["spec"]["resources"]["requests"]["storage"])


def provided(claim: Object) -> Quantity:
    """Nothing as long as it is not bound."""
    return Quantity.of(((claim.get("status") or {}).get("capacity") or {}).get("storage"))
