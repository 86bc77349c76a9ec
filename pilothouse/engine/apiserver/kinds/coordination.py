"""Leases and PriorityClasses: who leads, and who goes first.

Source: pkg/apis/coordination/validation, pkg/apis/scheduling/validation.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Context, Kind
from pilothouse.engine.apiserver.kinds.printers import cluster as printer
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_COORDINATED = ("strategy", "preferredHolder")
"""Of leader election by a coordinator, which 1.36 does not do unless it is told to: it takes these out of what is written."""
SYSTEM_PREFIX = "system-"
SYSTEM_CLASSES = {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
USER_PRIORITY_MAX = 1000000000
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")


def _default_lease(obj: Object) -> None:
    if obj.get("spec") is None:
        obj["spec"] = {}


def _lease_spec(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    duration_s = spec.get("leaseDurationSeconds")
    if duration_s is not None and duration_s <= 0:
        causes.append(field.invalid("spec.leaseDurationSeconds", duration_s, "must be greater than 0"))
    causes += field.non_negative("spec.leaseTransitions", spec.get("leaseTransitions"))
    return causes


def _validate_lease(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + _lease_spec(obj.get("spec") or {})


def _prepare_lease(obj: Object, context: Context) -> None:
    obj["spec"] = {name: value for name, value in (obj.get("spec") or {}).items() if name not in _COORDINATED}


def _prepare_lease_update(obj: Object, old: Object, context: Context) -> None:
    strategy.plain_update(obj, old, context)
    _prepare_lease(obj, context)


LEASE = Kind(
    kinds.LEASES,
    "io.k8s.api.coordination.v1.Lease",
    default=_default_lease,
    prepare_create=_prepare_lease,
    prepare_update=_prepare_lease_update,
    validate=_validate_lease,
    validate_update=lambda obj, old: metadata.validate_update(obj, old) + _lease_spec(obj.get("spec") or {}),
    columns=printer.LEASE_COLUMNS,
    cells=printer.lease_cells,
    create_on_update=True,
    unconditional_update=False,
)


def _default_priority(obj: Object) -> None:
    obj["value"] = obj.get("value") or 0
    obj["preemptionPolicy"] = obj.get("preemptionPolicy") or "PreemptLowerPriority"


def _why_not_system(name: str, value: int, *, is_default: bool) -> str:
    """Why this is not one of the classes that every cluster has, "" when it is."""
    known = SYSTEM_CLASSES.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    if value != known:
        return f"value of {name} PriorityClass must be {known}"
    return f"globalDefault of {name} PriorityClass must be false" if is_default else ""


def _validate_priority(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain, namespaced=False)
    name, value = obj["metadata"].get("name") or "", obj.get("value") or 0
    if name.startswith(SYSTEM_PREFIX):
        if why := _why_not_system(name, value, is_default=bool(obj.get("globalDefault"))):
            detail = f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: {why}"
            causes.append(field.forbidden("metadata.name", detail))
    elif value > USER_PRIORITY_MAX:
        causes.append(field.forbidden("value", f"maximum allowed value of a user defined priority is {USER_PRIORITY_MAX}"))
    if (policy := obj.get("preemptionPolicy")) not in PREEMPTION_POLICIES:
        causes.append(field.not_supported("preemptionPolicy", policy, PREEMPTION_POLICIES))
    return causes


def _validate_priority_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    if (obj.get("value") or 0) != (old.get("value") or 0):
        causes.append(field.forbidden("value", "may not be changed in an update."))
    return causes + field.immutable("preemptionPolicy", obj.get("preemptionPolicy"), old.get("preemptionPolicy"))


PRIORITYCLASS = Kind(
    kinds.PRIORITYCLASSES,
    "io.k8s.api.scheduling.v1.PriorityClass",
    default=_default_priority,
    prepare_create=strategy.create(),
    prepare_update=strategy.plain_update,
    validate=_validate_priority,
    validate_update=_validate_priority_update,
    columns=printer.PRIORITY_COLUMNS,
    cells=printer.priority_cells,
)
