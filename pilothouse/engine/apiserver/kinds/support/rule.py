"""The state of one field."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pilothouse.model.json import Object

Asks = Callable[[Any, Object], bool]
"""Whether a value (and the object that holds it) asks for what is not carried out."""


class State(Enum):
    HONOURED = "carried out"
    NODE = "carried out where the node can"
    INERT = "nothing to carry out"
    WARNED = "accepted with a warning"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Rule:
    """note: for NODE what it needs and how a node without it answers; for INERT why nothing follows from it; for WARNED what does not
    happen; for REFUSED what there is not, and a way out.

    shown: the values that the rule is about, as the reference page names them. asks None: the rule is not checked here.
    """

    state: State
    note: str = ""
    shown: str = ""
    asks: Asks | None = None


def is_given(value: Any, holder: Object) -> bool:
    """Empty objects, lists and strings ask for nothing."""
    return value is not None and value not in ("", {}, [])


def unless(*allowed: Any) -> Asks:
    """Every value but these, which ask for what is done anyway."""
    return lambda value, holder: is_given(value, holder) and value not in allowed


def refused(note: str, shown: str = "", asks: Asks = is_given) -> Rule:
    return Rule(State.REFUSED, note, shown, asks)


def warned(note: str, shown: str = "", asks: Asks = is_given) -> Rule:
    return Rule(State.WARNED, note, shown, asks)


def inert(note: str) -> Rule:
    return Rule(State.INERT, note)


def on_node(note: str, shown: str = "") -> Rule:
    return Rule(State.NODE, note, shown)
