"""What an agent's state must be before anything is decided by it (pure). docs/reference/database-agent.md has the fields.

Agents run beside what people run: one that is broken or lies is not heard, and nothing of what it says gets any further.
"""

import math
from collections.abc import Callable, Mapping

from pilothouse.model.errors import shortened
from pilothouse.model.json import Object

MOST_COUNT = 1 << 53
"""Of whole numbers: what JSON carries without loss."""
MOST_SECONDS = 1e9
MOST_TEXT, MOST_POSITION, MOST_STATE = 8 << 10, 8 << 10, 512 << 10
"""Characters of a text, of a position, and of one that names each server that ever wrote."""
MOST_ENTRIES = 1000
"""Of lists and reasons that are shown. Accounts and databases have no bound of their own: each is shown with its own object."""

Check = Callable[[object], bool]
"""Whether a field's value, which is there and not null, is what it should be."""


class MalformedState(ValueError):
    """Half a sentence that names the field."""


def checked(state: Object, member: str) -> Object:
    """The state, its texts shortened to what may be shown. member: whose it should be. Raises MalformedState."""
    if not _count(state.get("sequence")):
        raise MalformedState("sequence is no count")
    if state.get("member", member) != member:
        raise MalformedState("it is another member's")
    _look_at(state, _FIELDS, "")
    return {key: _shown(value) for key, value in state.items() if key != "gtid"} | {"gtid": state.get("gtid")}


def _shown(value: object) -> object:
    """Statuses, conditions and events carry what agents say: a few long texts would make an object that the API refuses."""
    if isinstance(value, str):
        return shortened(value)
    if isinstance(value, dict):
        return {key: _shown(each) for key, each in value.items()}
    return list(map(_shown, value)) if isinstance(value, list) else value


def _look_at(found: Mapping[str, object], fields: "Mapping[str, Check | Mapping[str, Check]]", path: str) -> None:
    for name, check in fields.items():
        value = found.get(name)
        if value is None:
            continue
        if isinstance(check, Mapping):
            if not isinstance(value, dict):
                raise MalformedState(f"{path}{name} is no object")
            _look_at(value, check, f"{path}{name}.")
        elif not check(value):
            raise MalformedState(f"{path}{name} is not what it should be")


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_COUNT


def _number(most: float) -> Check:
    def check(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= most

    return check


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_TEXT


def _position(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_POSITION


def _servers(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_STATE


def _one_of(*values: str) -> Check:
    return lambda value: value in values


def _texts(value: object) -> bool:
    return isinstance(value, list) and len(value) <= MOST_ENTRIES and all(map(_text, value))


def _reasons(value: object) -> bool:
    return isinstance(value, dict) and len(value) <= MOST_ENTRIES and all(map(_text, value.values()))


def _objects(value: object) -> bool:
    """By kind and name, what became of it: texts, and whether it was carried out in part."""
    return isinstance(value, dict) and all(isinstance(each, dict) and all(map(_outcome, each.values())) for each in value.values())


def _outcome(value: object) -> bool:
    return _text(value) or _flag(value)


_SECONDS = _number(MOST_SECONDS)
_FIELDS: Mapping[str, Check | Mapping[str, Check]] = {
    **dict.fromkeys(("applied", "writable", "answers", "refuses", "drained", "gate", "untruncated", "leaving"), _flag),
    **dict.fromkeys(("uid", "wanted", "doing", "error", "reseeded", "version", "agent"), _text),
    **dict.fromkeys(("term", "sessions"), _count),
    **dict.fromkeys(("unanswered_s", "looked_ago_s", "uptime_s"), _SECONDS),
    "read_only_s": _SECONDS,
    "data": _one_of("empty", "seeding", "ready"),
    "process": _one_of("absent", "starting", "running", "ended"),
    "role": _one_of("primary", "replica", "none"),
    "told": {"acknowledges": _flag, "step": _count},
    "gtid": {**dict.fromkeys(("executed", "received"), _position), "state": _servers},
    "replication": {
        **dict.fromkeys(("io", "sql", "intact"), _flag),
        **dict.fromkeys(("source", "error", "account"), _text),
        **dict.fromkeys(("port", "errno", "stopped_io_at_term"), _count),
        "lag_s": _SECONDS,
    },
    "semi_sync": {
        **dict.fromkeys(("on", "acknowledges"), _flag),
        **dict.fromkeys(("acknowledging", "waiting"), _count),
    },
    "disk": dict.fromkeys(("size", "free"), _count),
    "limits": dict.fromkeys(("memory_bytes", "cpu_millis"), _count),
    "pending_restart": _texts,
    "rejected": _reasons,
    "objects": _objects,
}
