"""The settings of each version of a server, as it lists them itself.

The files beside this module are made of what servers say of themselves, without what is a path, belongs to a session or cannot be set at
a start: MariaDB's from its `information_schema.SYSTEM_VARIABLES`, MySQL's by tests/platform/databases/parameters/making.py.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from pilothouse.model.json import loads

Kind = Literal["integer", "number", "switch", "choice", "set", "flags", "word", "zone"]
NEWEST = {"mariadb": "10.11", "mysql": "8.0"}
"""Flavour -> the newest version with a list of its own, which stands for later ones."""


@dataclass(frozen=True, slots=True)
class Variable:
    """least, most: of a number. choices: of a choice, a set or flags. restart: whether a change counts after a restart only."""

    kind: Kind
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    restart: bool = False


@functools.cache
def variables(flavour: str) -> Mapping[str, Variable]:
    """By name. Empty for a flavour whose settings are not known."""
    if flavour not in NEWEST:
        return {}
    text = resources.files(__package__).joinpath(f"{flavour}-{NEWEST[flavour]}.json").read_text()
    return {name: _variable(**entry) for name, entry in loads(text).items()}


def _variable(
    kind: Kind, least: float | None = None, most: float | None = None, choices: tuple[str, ...] = (), restart: bool = False
) -> Variable:
    return Variable(kind, least, most, tuple(choices), restart)
