"""What a change is announced to do, and what it has done, in lines for people (pure)."""

from collections.abc import Iterator, Sequence

from pilothouse.cli.mysql import standing
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.impact import Impact


def announced(impact: Impact) -> Iterator[str]:
    yield f"restarts: {', '.join(impact.restarts) or 'none'}"
    yield f"read-only: {seconds(impact)}"
    yield from impact.notes
    yield f"undo: {f'`{impact.undo}`' if impact.undo else 'there is none'}"


def seconds(impact: Impact) -> str:
    """Announced ones: what such a change took last, or else what it takes on a machine that is not overloaded."""
    value = impact.read_only_seconds
    if value is None:
        return "until it is taken back"
    return f"about {value:g} s{f', as {impact.basis} took' if impact.basis else ''}" if value else "0 s"


def happened(impact: Impact, before: Object, after: Object, restarted: Sequence[str], unready_s: float) -> Iterator[str]:
    """Restarts and seconds beside those that were announced. unready_s: how long the instance was seen not to be ready."""
    told = ", ".join(impact.restarts) or "none"
    yield f"restarts: {', '.join(restarted) or 'none'} (announced: {told})"
    if before["spec"].get("suspended") or after["spec"].get("suspended"):
        return
    yield f"read-only: {_measured(before, after, unready_s)} (announced: {seconds(impact)})"


def _measured(before: Object, after: Object, unready_s: float) -> str:
    """As the operator has measured it at a change of the primary; else what was seen from here."""
    move = standing.status(after).get("move") or {}
    is_new = move.get("startedAt") != (standing.status(before).get("move") or {}).get("startedAt")
    if is_new and move.get("readOnlySeconds") is not None:
        return f"{move['readOnlySeconds']:.2f} s"
    return f"about {unready_s:.1f} s, as seen from here" if unready_s else "0 s"


def document(impact: Impact) -> Object:
    """The announcement as data."""
    return {
        "restarts": list(impact.restarts),
        "readOnlySeconds": impact.read_only_seconds,
        "basis": impact.basis,
        "notes": list(impact.notes),
        "undo": impact.undo,
    }
