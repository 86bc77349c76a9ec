"""When something is decided (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """now: RFC 3339, for what the status shows. No decision compares it: another operator's clock may differ.

    same_s: for how long this operator has seen the last change of the primary as it is, by its own clock.
    """

    now: str
    same_s: float = 0.0
