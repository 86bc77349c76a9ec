"""A Corefile as lines of words: comments and quotes are gone, braces are words of their own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(#.*)|([^\s"]+)')
_ZONE = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?")
_SECONDS = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s?)?")
_LONGEST_NAME = 253


class CorefileError(ValueError):
    """line: where, 1 for the first; 0 for the whole text."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    words: tuple[str, ...]


def lines(text: str) -> Iterator[Line]:
    """Those that say something. A brace that ends a block stands alone, whatever it was written behind."""
    for number, line in enumerate(text.splitlines(), 1):
        words: list[str] = []
        for quoted, comment, plain in _WORD.findall(line):
            if comment:
                break
            words.append(plain or quoted.replace('\\"', '"'))
        yield from _split(number, words)


def _split(number: int, words: list[str]) -> Iterator[Line]:
    part: list[str] = []
    for word in words:
        if word == "}" and part:
            yield Line(number, tuple(part))
            part = []
        part.append(word)
        if word in ("{", "}"):
            yield Line(number, tuple(part))
            part = []
    if part:
        yield Line(number, tuple(part))


def zone_of(text: str, number: int) -> tuple[str, ...]:
    """Of `example.corp`, or of `.` for all names."""
    if text == ".":
        return ()
    if len(text) > _LONGEST_NAME or not _ZONE.fullmatch(text):
        raise CorefileError(f'"{text[:80]}" is no name', number)
    return tuple(text.lower().rstrip(".").split("."))


def seconds(text: str, number: int, most: int) -> int:
    """Of `30`, `30s`, `5m` or `1h`. Raises CorefileError for others, and for more than `most`."""
    found = _SECONDS.fullmatch(text)
    if not text or found is None:
        raise CorefileError(f'"{text[:80]}" is no time in seconds', number)
    hours, minutes, rest = (int(part or 0) for part in found.groups())
    value = hours * 3600 + minutes * 60 + rest
    if value > most:
        raise CorefileError(f"{text} is more than {most} seconds", number)
    return value
