"""JSONPath as printer columns and selectable fields state it: names, indexes, slices, unions, wildcards, descent and filters.

Source: client-go/util/jsonpath, which upstream's TableConvertor uses.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pilothouse.model.caching import remembered
from pilothouse.model.digits import natural
from pilothouse.model.json import Object

MOST = 10_000
"""Values that one step leads to; of more the first are taken."""

_NAME = re.compile(r"\.(?P<descent>\.)?(?P<name>(?:[\w$-]|\\\.)+|\*)")
_DESCENT = re.compile(r"\.(?=\.?\[)")
_INSIDE = re.compile(r"""\[((?:[^\[\]'"]|'[^']*'|"[^"]*"|\[[^\[\]]*\])*)\]""")
_FILTER = re.compile(r"""\?\(\s*@(?P<left>[^=!<>\s]*)\s*(?:(?P<is>==|!=|<=|>=|<|>)\s*(?P<right>.+?)\s*)?\)""")
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_WORDS = {"true": True, "false": False}

Step = Callable[[Any], Iterable[Any]]
"""From one value to those that it leads to."""


@dataclass(frozen=True, slots=True)
class _Filter:
    """Items of which `left` leads somewhere, and compares to the literal in the way that is asked for."""

    left: str
    compare: Callable[[Any, Any], Any] | None = None
    right: Any = None

    def __call__(self, value: Any) -> Iterable[Any]:
        return [item for item in value if self._holds(item)] if isinstance(value, list) else []

    def _holds(self, item: Any) -> bool:
        found = find(item, self.left)
        if self.compare is None or not found:
            return self.compare is None and bool(found)
        is_alike = isinstance(found[0], str) == isinstance(self.right, str)
        return is_alike and bool(self.compare(found[0], self.right))


@remembered(1024)
def steps_of(path: str) -> tuple[Step, ...] | None:
    """The path taken apart, None when it cannot be read."""
    if path in ("", "."):
        return ()
    found: list[Step] = []
    position = 0
    while position < len(path):
        step = _step(path, position)
        if step is None:
            return None
        position = step[0]
        found += step[1]
    return tuple(found)


def _step(path: str, position: int) -> tuple[int, list[Step]] | None:
    """Where the next step ends, and what it does."""
    if (match := _NAME.match(path, position)) is not None:
        name = match["name"].replace("\\.", ".")
        return match.end(), [*([_everything] if match["descent"] else []), _all if name == "*" else _member(name)]
    if (match := _DESCENT.match(path, position)) is not None:
        return match.end(), [] if path.startswith(".[", position) else [_everything]
    match = _INSIDE.match(path, position)
    step = None if match is None else _bracket(match[1].strip())
    return None if match is None or step is None else (match.end(), [step])


def _bracket(inside: str) -> Step | None:
    if inside == "*":
        return _all
    if (match := _FILTER.fullmatch(inside)) is not None:
        return _Filter(match["left"], _COMPARE[match["is"]], _literal(match["right"])) if match["is"] else _Filter(match["left"])
    if quoted := [first or second for first, second in _QUOTED.findall(inside)]:
        return _union([_member(name) for name in quoted])
    if ":" in inside:
        bounds = [_number(part) for part in inside.split(":")]
        return _slice(slice(*bounds)) if len(bounds) <= 3 else None
    numbers = [_number(part) for part in inside.split(",")]
    return _union([_item(number) for number in numbers if number is not None]) if None not in numbers else None


def _number(text: str) -> int | None:
    found = natural(text.strip().removeprefix("-"))
    return None if found is None else -found if text.strip().startswith("-") else found


def _literal(text: str) -> Any:
    if (match := _QUOTED.fullmatch(text)) is not None:
        return match[1] or match[2] or ""
    if text in _WORDS:
        return _WORDS[text]
    try:
        return float(text)
    except ValueError:
        return None


def _member(name: str) -> Step:
    return lambda value: [value[name]] if isinstance(value, dict) and name in value else []


def _item(index: int) -> Step:
    return lambda value: [value[index]] if isinstance(value, list) and -len(value) <= index < len(value) else []


def _slice(bounds: slice) -> Step:
    return lambda value: value[bounds] if isinstance(value, list) and bounds.step != 0 else []


def _union(steps: list[Step]) -> Step:
    return steps[0] if len(steps) == 1 else lambda value: [found for step in steps for found in step(value)]


def _all(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else []


def _everything(value: Any) -> Iterator[Any]:
    """The value and all that is in it."""
    pending = [value]
    while pending:
        found = pending.pop()
        yield found
        if isinstance(found, dict | list):
            pending += reversed(list(_all(found)))


def find(obj: Object, path: str) -> list[Any]:
    """All values at the path, in order; nothing for a path that leads nowhere or cannot be read."""
    steps = steps_of(path)
    found: list[Any] = [] if steps is None else [obj]
    for step in steps or ():
        found = list(islice((inner for value in found for inner in step(value)), MOST))
    return [value for value in found if value is not None]
