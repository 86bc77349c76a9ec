"""Events, in the two shapes that share one place in the store.

The stored shape is that of core/v1; `to_stored` and `from_stored` turn events.k8s.io/v1 objects into it and back without loss.
All functions of both kinds work on the stored shape, except `cells`, which takes what its own API group shows.
Source: pkg/apis/core/validation/events.go, pkg/apis/events/v1/conversion.go.
"""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import UNSUPPORTED_LABEL, Kind
from pilothouse.engine.apiserver.kinds.printers import events as printer
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

TEXT_MAX, NOTE_MAX = 128, 1024
_STORED_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_SHOWN_NAMES = {stored: shown for shown, stored in _STORED_NAMES.items()}
# Fields that core/v1 shows even when they are empty.
_CORE_EMPTY: Object = {"eventTime": None, "firstTimestamp": None, "lastTimestamp": None, "reportingComponent": "", "reportingInstance": ""}
_NEW_EMPTY: Object = {"deprecatedFirstTimestamp": None, "deprecatedLastTimestamp": None, "eventTime": None}
_MUTABLE_FIELDS = (
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "reason",
    "type",
    "eventTime",
)
_FROZEN = (*_MUTABLE_FIELDS, "action", "related", "reportingController", "reportingInstance")


def to_stored(obj: Object) -> Object:
    """An events.k8s.io/v1 object in the shape of core/v1."""
    return {_STORED_NAMES.get(name, name): value for name, value in obj.items()}


def from_stored(obj: Object) -> Object:
    """A core/v1 object in the shape of events.k8s.io/v1."""
    shown = {_SHOWN_NAMES.get(name, name): value for name, value in obj.items()}
    for name in ("reportingController", "reportingInstance"):
        if not shown.get(name):
            shown.pop(name, None)
    shown["deprecatedSource"] = shown.get("deprecatedSource") or {}
    return _NEW_EMPTY | shown


def default(obj: Object) -> None:
    for name, value in _CORE_EMPTY.items():
        obj.setdefault(name, value)
    for name in ("involvedObject", "source"):
        obj[name] = obj.get(name) or {}


def _legacy(obj: Object) -> list[Cause]:
    """What every event is held to. The names in the causes are those of upstream's internal type, in part those of neither group."""
    namespace, about = obj["metadata"].get("namespace") or "", (obj.get("involvedObject") or {}).get("namespace") or ""
    mismatch = field.invalid("involvedObject.namespace", about, "does not match event.namespace")
    if obj.get("eventTime") is None:
        agrees = namespace == about or (not about and namespace == "default")
        return ([] if agrees else [mismatch]) + _namespace(namespace)
    causes: list[Cause] = []
    if not about and namespace not in ("default", "kube-system"):
        causes.append(mismatch)
    controller, instance = obj.get("reportingComponent") or "", obj.get("reportingInstance") or ""
    if not controller:
        causes.append(field.required("reportingController"))
    causes += field.each_invalid("reportingController", controller, names.qualified_name(controller))
    causes += _text(instance, "reportingInstance") + _text(obj.get("action") or "", "action") + _text(obj.get("reason") or "", "reason")
    if len((obj.get("message") or "").encode()) > NOTE_MAX:
        causes.append(field.invalid("message", "", f"can have at most {NOTE_MAX} characters"))
    return causes + _namespace(namespace)


def _namespace(namespace: str) -> list[Cause]:
    return field.each_invalid("namespace", namespace, names.dns1123_subdomain(namespace))


def _text(value: str, path: str) -> list[Cause]:
    if not value:
        return [field.required(path)]
    return [field.invalid(path, "", f"can have at most {TEXT_MAX} characters")] if len(value.encode()) > TEXT_MAX else []


def _series(obj: Object) -> list[Cause]:
    series = obj.get("series")
    if series is None:
        return []
    causes: list[Cause] = []
    if (series.get("count") or 0) < 2:
        causes.append(field.invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        causes.append(field.required("series.lastObservedTime"))
    return causes


def _validate_core(obj: Object) -> list[Cause]:
    return _legacy(obj) or metadata.validate(obj, names.path_segment)


def _validate_core_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old) + _legacy(obj)


def _validate_new(obj: Object) -> list[Cause]:
    causes = _legacy(obj) + metadata.validate(obj, names.dns1123_subdomain) + _series(obj)
    if obj.get("eventTime") is None:
        causes.append(field.required("eventTime"))
    if (kind := obj.get("type")) not in ("Normal", "Warning"):
        causes.append(field.invalid("type", "", f"has invalid value: {kind or ''}"))
    unset = ("firstTimestamp", "lastTimestamp", "count", "source")
    return causes + [field.invalid(name, "", "needs to be unset") for name in unset if obj.get(name)]


def _validate_new_update(obj: Object, old: Object) -> list[Cause]:
    causes = _legacy(obj) + metadata.validate_update(obj, old)
    if obj.get("series") != old.get("series"):
        causes += _series(obj)
    for name in field.until_enough(causes, _FROZEN):
        stored = _STORED_NAMES.get(name, name)
        causes += field.immutable(name, obj.get(stored) or None, old.get(stored) or None)
    return causes


def selectable(obj: Object) -> dict[str, str]:
    about, source = obj.get("involvedObject") or {}, obj.get("source") or {}
    names_of = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    found = {f"involvedObject.{name}": about.get(name) or "" for name in names_of}
    reporter = obj.get("reportingComponent") or ""
    found |= {"reason": obj.get("reason") or "", "type": obj.get("type") or "", "reportingComponent": reporter}
    return metadata.selectable(obj) | found | {"source": source.get("component") or reporter}


EVENT = Kind(
    kinds.EVENTS,
    "io.k8s.api.core.v1.Event",
    default=default,
    prepare_update=strategy.plain_update,
    validate=_validate_core,
    validate_update=_validate_core_update,
    columns=printer.COLUMNS,
    cells=printer.cells,
    selectable=selectable,
    selectable_fields=frozenset(selectable({"metadata": {}})),
    selector_refusal=UNSUPPORTED_LABEL,
    create_on_update=True,
    default_propagation="Unsupported",
)


def _selectable_as_shown(obj: Object) -> dict[str, str]:
    """The same values under the names that events.k8s.io has for them."""
    found = {name.replace("involvedObject.", "regarding."): value for name, value in selectable(obj).items() if name != "source"}
    found["reportingController"] = found.pop("reportingComponent")
    return found


def _cells_of_shown(obj: Object, now: datetime) -> list[Any]:
    return printer.cells(to_stored(obj), now)


EVENT_V1 = Kind(
    kinds.EVENTS_V1,
    "io.k8s.api.events.v1.Event",
    default=default,
    prepare_update=strategy.plain_update,
    validate=_validate_new,
    validate_update=_validate_new_update,
    columns=printer.COLUMNS,
    cells=_cells_of_shown,
    selectable=_selectable_as_shown,
    selectable_fields=frozenset(_selectable_as_shown({"metadata": {}})),
    selector_refusal=UNSUPPORTED_LABEL,
    create_on_update=True,
    default_propagation="Unsupported",
    blamed_group="",
    stored_as=kinds.EVENTS,
    to_stored=to_stored,
    from_stored=from_stored,
)
