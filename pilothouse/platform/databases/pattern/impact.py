"""What a change of a service does to those who use it: said before it is made, and compared with what has happened (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Impact:
    """restarts: the members whose server is started anew, in that order. notes: what else there is to know, a sentence each.

    read_only_seconds: for about how long nothing can be written; 0.0 for not at all, None for until the change is taken back.
    basis: what took so long before, in words; "" where the seconds are those of any service.
    undo: the command that takes the change back; "" where none can.
    """

    restarts: tuple[str, ...] = ()
    read_only_seconds: float | None = 0.0
    notes: tuple[str, ...] = ()
    undo: str = ""
    basis: str = ""


def together(impacts: Iterable[Impact], undo: str = "") -> Impact:
    """Of changes that are made at once. A member that several of them would start anew is started once."""
    whole = Impact(undo=undo)
    for each in impacts:
        longer = each if _is_longer(each.read_only_seconds, whole.read_only_seconds) else whole
        whole = replace(
            whole,
            restarts=tuple(dict.fromkeys([*whole.restarts, *each.restarts])),
            read_only_seconds=longer.read_only_seconds,
            basis=longer.basis,
            notes=(*whole.notes, *each.notes),
        )
    return whole


def _is_longer(one: float | None, other: float | None) -> bool:
    return other is not None and (one is None or one > other)
