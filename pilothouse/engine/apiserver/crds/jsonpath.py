"""The simple JSONPath of printer columns and selectable fields: names, indexes, wildcards and one equality filter.

Source: apiextensions' TableConvertor uses client-go/util/jsonpath; this is the part of it that definitions in the field use.
"""

import re
from typing import Any

from pilothouse.model.caching import remembered
from pilothouse.model.json import Object

_STEP = re.compile(
    r"""\.(?P<name>(?:[\w$-]|\\\.)+|\*)"""
    r"""|\[(?P<index>-?\d+|\*)\]"""
    r"""|\[['"](?P<quoted>[^'"]+)['"]\]"""
    r"""|\[\?\(@(?P<filter>[\w.$-]+)\s*==\s*['"](?P<equals>[^'"]*)['"]\)\]"""
)

Step = tuple[str, str, str]


@remembered(1024)
def steps_of(path: str) -> tuple[Step, ...] | None:
    """The path taken apart, None when it is not one of ours."""
    if path in ("", "."):
        return ()
    found: list[Step] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            return None
        found.append(_step(match))
        position = match.end()
    return tuple(found)


def _step(match: "re.Match[str]") -> Step:
    if (name := match["name"] or match["quoted"]) is not None:
        return ("all", "", "") if name == "*" else ("name", name.replace("\\.", "."), "")
    if match["index"] is not None:
        return ("all", "", "") if match["index"] == "*" else ("index", match["index"], "")
    return "filter", match["filter"], match["equals"]


def find(obj: Object, path: str) -> list[Any]:
    """All values at the path, in order; nothing for a path that leads nowhere or cannot be read."""
    steps = steps_of(path)
    found: list[Any] = [] if steps is None else [obj]
    for step in steps or ():
        found = [inner for value in found for inner in _take(value, step)]
    return [value for value in found if value is not None]


def _take(value: Any, step: Step) -> list[Any]:
    kind, argument, equals = step
    if kind == "name":
        return [value[argument]] if isinstance(value, dict) and argument in value else []
    if kind == "all":
        return list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []
    if not isinstance(value, list):
        return []
    if kind == "index":
        number = int(argument)
        return [value[number]] if -len(value) <= number < len(value) else []
    return [item for item in value if isinstance(item, dict) and str((find(item, argument) or [""])[0]) == equals]
