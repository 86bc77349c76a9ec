"""Holds a pod's spec against the table. Only what is in both the spec and the table is looked at."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pilothouse.engine.apiserver.kinds.pod_support.rule import Rule, State
from pilothouse.engine.apiserver.kinds.pod_support.table import REFUSED, WARNED
from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class Finding:
    """path: of the field, in the object that is judged."""

    path: str
    rule: Rule

    @property
    def is_refused(self) -> bool:
        return self.rule.state is State.REFUSED


@dataclass(slots=True)
class _Branch:
    """rules: about the value here. below: by field; entry: of each item of a list."""

    rules: list[Rule] = field(default_factory=list)
    below: dict[str, "_Branch"] = field(default_factory=dict)
    items: "_Branch | None" = None
    is_entry: bool = False


def judge(spec: Object, path: str) -> list[Finding]:
    """path: of the spec, as in `spec.template.spec`. In the order of the table."""
    return list(_judged(spec, {}, _tree(), path))


def _judged(value: Any, holder: Object, branch: _Branch, path: str) -> Iterator[Finding]:
    for rule in branch.rules:
        if value is not None and rule.asks is not None and rule.asks(value, holder):
            yield Finding(path, rule)
    if branch.items is not None and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _judged(item, {}, branch.items, f"{path}[{index}]")
    if isinstance(value, dict):
        for name, below in branch.below.items():
            if name in value:
                yield from _judged(value[name], value, below, f"{path}[{name}]" if below.is_entry else f"{path}.{name}")


@cache
def _tree() -> _Branch:
    root = _Branch()
    for pattern, rule in (*REFUSED.items(), *WARNED.items()):
        for path in (pattern[1:], "initContainers" + pattern[len("*containers") :]) if pattern.startswith("*") else (pattern,):
            _grow(root, path, rule)
    return root


def _grow(root: _Branch, path: str, rule: Rule) -> None:
    here = root
    for part in path.split("."):
        name, bracket, entry = part.partition("[")
        here = here.below.setdefault(name, _Branch())
        if entry == "]":
            here.items = here.items or _Branch()
            here = here.items
        elif bracket:
            here = here.below.setdefault(entry.removesuffix("]"), _Branch(is_entry=True))
    here.rules.append(rule)
