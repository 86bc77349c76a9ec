"""Which of the names a CustomResourceDefinition asks for it gets. Pure.

Names are unique within a group: the first definition to ask keeps them, later ones are told so in a condition and served nothing.
Source: apiextensions-apiserver pkg/controller/status/naming_controller.go.
"""

from collections.abc import Iterable

from pilothouse.model import meta
from pilothouse.model.json import Object


def status_of(crd: Object, others: Iterable[Object], now: str) -> Object:
    """The status with accepted names and the conditions NamesAccepted and Established."""
    wanted = crd["spec"]["names"]
    old = crd.get("status") or {}
    accepted, refusal = _accepted(wanted, old.get("acceptedNames") or {}, list(others))
    conditions = old.get("conditions")
    if refusal:
        conditions = meta.with_condition(conditions, _condition("NamesAccepted", "False", *refusal), now)
        if not _is_true(conditions, "Established"):
            not_accepted = _condition("Established", "False", "NotAccepted", "not all names are accepted")
            conditions = meta.with_condition(conditions, not_accepted, now)
    else:
        conditions = meta.with_condition(conditions, _condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"), now)
        established = _condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
        if not _is_true(conditions, "Established"):
            conditions = meta.with_condition(conditions, established, now)
    return {
        "conditions": conditions,
        "acceptedNames": accepted,
        "storedVersions": old.get("storedVersions") or [storage_version(crd)],
    }


def storage_version(crd: Object) -> str:
    return next((version["name"] for version in crd["spec"]["versions"] if version.get("storage")), "")


def _condition(type: str, status: str, reason: str, message: str) -> Object:
    return {"type": type, "status": status, "reason": reason, "message": message}


def _is_true(conditions: list[Object], type: str) -> bool:
    return any(condition["type"] == type and condition["status"] == "True" for condition in conditions)


def _accepted(wanted: Object, held: Object, others: list[Object]) -> tuple[Object, tuple[str, str] | None]:
    """(the names that are ours now, reason and message of the refusal)."""
    taken_resources: set[str] = set()
    taken_kinds: set[str] = set()
    for other in others:
        names = (other.get("status") or {}).get("acceptedNames") or {}
        taken_resources |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())} - {""}
        taken_kinds |= {names.get("kind", ""), names.get("listKind", "")} - {""}
    accepted: Object = {}
    refusal: tuple[str, str] | None = None
    for field, reason, taken in (
        ("plural", "PluralConflict", taken_resources),
        ("singular", "SingularConflict", taken_resources),
        ("shortNames", "ShortNamesConflict", taken_resources),
        ("kind", "KindConflict", taken_kinds),
        ("listKind", "ListKindConflict", taken_kinds),
    ):
        value = wanted.get(field)
        names = value if isinstance(value, list) else [value] if value else []
        clash = next((name for name in names if name in taken), None)
        if clash is not None:
            refusal = reason, f'"{clash}" is already in use'
            value = held.get(field)
        if value:
            accepted[field] = value
    if wanted.get("categories"):
        accepted["categories"] = wanted["categories"]
    return {"plural": "", "kind": "", **accepted}, refusal
