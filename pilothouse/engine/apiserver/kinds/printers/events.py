"""Events in a Table, in both of their API groups."""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import Column
from pilothouse.engine.apiserver.kinds.metadata import DESCRIPTIONS
from pilothouse.engine.apiserver.kinds.printers.text import name, since
from pilothouse.model.json import Object

COLUMNS = (
    Column("Last Seen", "When the event happened last."),
    Column("Type", "Normal or Warning."),
    Column("Reason", "One word for machines."),
    Column("Object", "The object that this event is about."),
    Column("Subobject", "The part of the object that this event is about.", priority=1),
    Column("Source", "Who reports the event.", priority=1),
    Column("Message", "What happened, for people."),
    Column("First Seen", "When the event happened first.", priority=1),
    Column("Count", "How many times the event happened.", priority=1),
    Column("Name", DESCRIPTIONS["name"], format="name", priority=1),
)


def cells(obj: Object, now: datetime) -> list[Any]:
    about, series = obj.get("involvedObject") or {}, obj.get("series")
    first = since(obj.get("firstTimestamp") or obj.get("eventTime"), now)
    last = since(obj["lastTimestamp"], now) if obj.get("lastTimestamp") else first
    count = obj.get("count") or 1
    if series:
        last, count = since(series.get("lastObservedTime"), now), series.get("count") or 0
    kind = (about.get("kind") or "").lower()
    return [
        last,
        obj.get("type") or "",
        obj.get("reason") or "",
        f"{kind}/{about['name']}" if about.get("name") else kind,
        about.get("fieldPath") or "",
        _source(obj),
        (obj.get("message") or "").strip(),
        first,
        count,
        name(obj),
    ]


def _source(obj: Object) -> str:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component
