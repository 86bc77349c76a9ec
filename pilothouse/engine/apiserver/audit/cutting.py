"""Bounds what a client's own words add to an event: URI, names, headers, messages."""

from dataclasses import dataclass
from typing import Any

from pilothouse.model.json import Object

CUT = "...TRUNCATED"
_LONGEST_KEY = 64


@dataclass(frozen=True, slots=True)
class TextBounds:
    """longest: of one text. most: of all of them together. Both in characters."""

    longest: int
    most: int


USERS = TextBounds(4096, 16 << 10)
STRANGERS = TextBounds(512, 4096)
SESSIONS = TextBounds(1 << 20, 1 << 20)
"""Their URI holds what is carried out, so that nothing of it may be missing; the server's bound of a request's head is smaller."""


@dataclass(slots=True)
class Cutting:
    """longest, most: see TextBounds; what comes after the most is only marked as cut. has_cut: whether anything was."""

    longest: int
    most: int
    has_cut: bool = False

    def of(self, value: Any) -> Any:
        """A copy of the value with its texts cut; of keys only long ones, which are a client's."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._object(value)
        return [self.of(each) for each in value] if isinstance(value, list) else value

    def _object(self, value: Object) -> Object:
        return {key if len(key) <= _LONGEST_KEY else self._text(key): self.of(each) for key, each in value.items()}

    def _text(self, text: str) -> str:
        allowed = min(self.longest, self.most)
        self.most -= min(len(text), allowed)
        if len(text) <= allowed:
            return text
        self.has_cut = True
        return f"{text[:allowed]}{CUT}"


def within(head: Object, room: TextBounds) -> tuple[Object, bool]:
    """The head of an event, and whether anything of it was cut."""
    cutting = Cutting(room.longest, room.most)
    return cutting.of(head), cutting.has_cut
