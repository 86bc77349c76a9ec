"""A table of fields, and how its paths are written.

A path names a leaf of the schema, or with a rule all that lies below it. `*containers[]` stands for `containers[]`,
`initContainers[]` and `ephemeralContainers[]`; `{a,b}` for both; `[name]` at the end for one entry of a map.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pilothouse.engine.apiserver.kinds.pod_defaults import CONTAINER_LISTS
from pilothouse.engine.apiserver.kinds.support.rule import Rule, State

_GROUP = re.compile(r"\{([^{}]*)\}")


@dataclass(slots=True)
class Branch:
    """rules: about the value here. below: by field; entry: of each item of a list."""

    rules: list[Rule] = field(default_factory=list)
    below: dict[str, "Branch"] = field(default_factory=dict)
    items: "Branch | None" = None
    is_entry: bool = False


@dataclass(frozen=True)
class Table:
    """honoured: paths with nothing to say of them. rules: of those with a word, by path; a path may have several."""

    honoured: str
    rules: tuple[tuple[str, Rule], ...]

    def entries(self) -> Iterator[tuple[str, Rule]]:
        """Every path of the table, groups in braces written out, with its rule."""
        for pattern in self.honoured.split():
            yield from ((path, Rule(State.HONOURED)) for path in spread(pattern))
        yield from self.rules

    @cached_property
    def tree(self) -> Branch:
        """The rules that an object can be held against."""
        root = Branch()
        for pattern, rule in self.rules:
            if rule.asks is not None:
                for path in _paths_of(pattern):
                    _grow(root, path, rule)
        return root


def joined(*parts: Mapping[str, Rule]) -> tuple[tuple[str, Rule], ...]:
    return tuple(entry for part in parts for entry in part.items())


def spread(pattern: str) -> list[str]:
    found = _GROUP.search(pattern)
    if found is None:
        return [pattern]
    return [path for each in found[1].split(",") for path in spread(pattern[: found.start()] + each + pattern[found.end() :])]


def _paths_of(pattern: str) -> list[str]:
    """The paths that a pattern stands for: of containers of every list, for one that begins with `*containers[]`."""
    if not pattern.startswith("*"):
        return [pattern]
    return [f"{holder}{pattern.removeprefix('*containers')}" for holder in CONTAINER_LISTS]


def _grow(root: Branch, path: str, rule: Rule) -> None:
    here = root
    for part in path.split("."):
        name, bracket, entry = part.partition("[")
        here = here.below.setdefault(name, Branch())
        if entry == "]":
            here.items = here.items or Branch()
            here = here.items
        elif bracket:
            here = here.below.setdefault(entry.removesuffix("]"), Branch(is_entry=True))
    here.rules.append(rule)
