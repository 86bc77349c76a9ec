"""Which of the names a CustomResourceDefinition asks for it gets. Pure.

Names are unique within a group: the first definition to ask keeps them, later ones are told so in a condition and served nothing.
Source: apiextensions-apiserver pkg/controller/status/naming_controller.go.
"""

from collections.abc import Iterable

from pilothouse.engine.apiserver.kinds.crd import approval
from pilothouse.engine.apiserver.kinds.crd.spec import ca_bundle
from pilothouse.engine.apiserver.kinds.webhooks.ca_bundle import bundle_problem
from pilothouse.model import meta
from pilothouse.model.json import Object

_MOST_NAMED = 5


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
        if bundle_problem(ca_bundle(crd["spec"])):
            established = _condition("Established", "False", "InvalidCABundle", "The conversion webhook CABundle is invalid")
        if not _is_true(conditions, "Established"):
            conditions = meta.with_condition(conditions, established, now)
    if approval.is_protected(crd):
        conditions = meta.with_condition(conditions, approval.condition(crd), now)
    return {
        "conditions": conditions,
        "acceptedNames": accepted,
        "storedVersions": old.get("storedVersions") or [storage_version(crd)],
    }


def ending_status(crd: Object, finalizers: set[str], now: str) -> Object:
    """The status of a definition that is being deleted and whose instances these finalizers hold, as many as a message has room for."""
    names = sorted(finalizers)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    message = f"CustomResource deletion is in progress: instances wait for their finalizers {', '.join(names[:_MOST_NAMED])}{more}"
    status: Object = crd.get("status") or {}
    ending = _condition("Terminating", "True", "InstanceDeletionInProgress", message)
    return status | {"conditions": meta.with_condition(status.get("conditions"), ending, now)}


def storage_version(crd: Object) -> str:
    return next((version["name"] for version in crd["spec"]["versions"] if version.get("storage")), "")


def oldest_version(crd: Object) -> str:
    """The version of instances that state none: they were stored when the definition had only one."""
    stored = (crd.get("status") or {}).get("storedVersions")
    return str(stored[0]) if stored else storage_version(crd)


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
        clashes = [f'"{name}" is already in use' for name in names if name in taken]
        if clashes:
            refusal = reason, clashes[0] if len(clashes) == 1 else f"[{', '.join(clashes)}]"
            value = held.get(field)
        if value:
            accepted[field] = value
    if wanted.get("categories"):
        accepted["categories"] = wanted["categories"]
    return {"plural": "", "kind": "", **accepted}, refusal
