"""The managers of an object's fields as `metadata.managedFields` lists them."""

from typing import Any, NamedTuple

from pilothouse.model.apply.fieldset import FieldSet, is_well_formed, ordered
from pilothouse.model.json import Object

APPLY, UPDATE = "Apply", "Update"


class Manager(NamedTuple):
    """operation: Apply or Update. version: apiVersion whose names the fields of updates have, "" for an apply: an applied
    configuration stays its manager's in every version. subresource: through which they were set.
    """

    name: str
    operation: str
    version: str
    subresource: str = ""


class Owned(NamedTuple):
    """time: of the last change, RFC 3339; "" for none. version: apiVersion that was applied in, "" for updates."""

    fields: FieldSet
    time: str = ""
    version: str = ""


Managers = dict[Manager, Owned]


def decode(entries: Any) -> Managers | None:
    """None for entries that were not written by a server like this: who wrote them knows best that they are to be given up."""
    found: Managers = {}
    for entry in entries or ():
        if entry.get("operation") not in (APPLY, UPDATE) or entry.get("fieldsType", "FieldsV1") != "FieldsV1":
            return None
        fields, version = entry.get("fieldsV1") or {}, entry.get("apiVersion") or ""
        if not is_well_formed(fields):
            return None
        of_update, applied = (version, "") if entry["operation"] == UPDATE else ("", version)
        manager = Manager(entry.get("manager") or "", entry["operation"], of_update, entry.get("subresource") or "")
        found[manager] = Owned(fields, entry.get("time") or "", applied)
    return found


def encode(managers: Managers) -> list[Object]:
    """In the order in which upstream stores them."""
    return [_entry(manager, owned) for manager, owned in sorted(managers.items(), key=_order)]


def _order(found: tuple[Manager, Owned]) -> tuple[str, ...]:
    manager, owned = found
    return manager.operation, owned.time, manager.name, manager.version or owned.version, manager.subresource


def _entry(manager: Manager, owned: Owned) -> Object:
    entry: Object = {"manager": manager.name} if manager.name else {}
    entry |= {"operation": manager.operation, "apiVersion": manager.version or owned.version}
    if owned.time:
        entry["time"] = owned.time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": ordered(owned.fields)}
    return entry | ({"subresource": manager.subresource} if manager.subresource else {})
