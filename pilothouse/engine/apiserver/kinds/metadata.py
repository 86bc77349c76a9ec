"""Rules of ObjectMeta that all kinds share: names, labels, annotations, owners, finalizers, what an update may not change."""

from typing import Final

from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

DESCRIPTIONS: Final = {
    "name": "Name must be unique within a namespace.",
    "creationTimestamp": "CreationTimestamp is a timestamp representing the server time when this object was created.",
}


def subdomain_name(name: str, prefix: bool) -> list[str]:
    return []


def validate(obj: Object, name_rule: object) -> list[Cause]:
    return []


def validate_update(obj: Object, old: Object) -> list[Cause]:
    return []


def selectable(obj: Object) -> dict[str, str]:
    meta = obj["metadata"]
    return {"metadata.name": meta.get("name", ""), "metadata.namespace": meta.get("namespace", "")}
