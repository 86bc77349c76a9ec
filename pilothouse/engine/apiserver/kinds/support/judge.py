"""Holds an object, or a part of one, against a table. Only what is in both is looked at."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pilothouse.engine.apiserver.kinds.support.rule import Rule, State
from pilothouse.engine.apiserver.kinds.support.table import Branch, Table
from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class Finding:
    """path: of the field, in the object that is judged. value: what is there."""

    path: str
    rule: Rule
    value: Any = None

    @property
    def is_refused(self) -> bool:
        return self.rule.state is State.REFUSED


def judge(table: Table, part: Object, path: str) -> list[Finding]:
    """path: of the part in its object, as in `spec.template.spec`; "" for the whole object. In the order of the table."""
    return list(_judged(part, {}, table.tree, path))


def _judged(value: Any, holder: Object, branch: Branch, path: str) -> Iterator[Finding]:
    for rule in branch.rules:
        if value is not None and rule.asks is not None and rule.asks(value, holder):
            yield Finding(path, rule, value)
    if branch.items is not None and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _judged(item, {}, branch.items, f"{path}[{index}]")
    if isinstance(value, dict):
        for name, below in branch.below.items():
            if name in value:
                yield from _judged(value[name], value, below, f"{path}[{name}]" if below.is_entry else _below(path, name))


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
