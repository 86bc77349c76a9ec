"""Files of variables that containers leave in a volume for others: `NAME='value'` lines. Pure.

A value stands in single quotes, as it is, over several lines if need be; a comment may follow it. A blank between `=` and the quote makes
the value empty, as a shell reads it. Source: KEP-3721; the strict form that upstream reads since 1.35.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MOST_BYTES = 64 * 1024
QUOTE = "'"


class EnvFileError(Exception):
    """The file is written otherwise; the message names the line."""


@dataclass(frozen=True, slots=True)
class EnvFile:
    """values: of names up to the first line that is written otherwise; the first of a name counts. problem: what is wrong there."""

    values: Mapping[str, str]
    problem: EnvFileError | None = None

    def value_of(self, key: str) -> str | None:
        """None when the file does not name it. Raises EnvFileError for a file that is written otherwise before where the name stands."""
        found = self.values.get(key)
        if found is None and self.problem is not None:
            raise self.problem
        return found


def parse(text: str) -> EnvFile:
    values: dict[str, str] = {}
    try:
        for name, value in _variables(text):
            values.setdefault(name, value)
    except EnvFileError as error:
        return EnvFile(values, error)
    return EnvFile(values)


def _variables(text: str) -> Iterator[tuple[str, str]]:
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at].lstrip(" \t").removesuffix("\r")
        start = at + 1
        at += 1
        if not line or line.startswith("#"):
            continue
        name, value = _assignment(line, start)
        if value is None:
            yield name, ""
            continue
        body, closed, rest = value.partition(QUOTE)
        parts = [body]
        while not closed:
            if at == len(lines):
                raise EnvFileError(f"line {start}: the single quote is not closed")
            more, closed, rest = lines[at].partition(QUOTE)
            parts.append(more)
            at += 1
        if rest.lstrip(" \t\r") and not rest.lstrip(" \t").startswith("#"):
            raise EnvFileError(f"line {at}: nothing but a comment may follow the closing quote")
        yield name, "\n".join(parts)


def _assignment(line: str, number: int) -> tuple[str, str | None]:
    """The name, and what follows the opening quote; None for an empty value."""
    name, equals, value = line.partition("=")
    if not equals:
        raise EnvFileError(f"line {number}: there is no =")
    if not name or name != name.rstrip(" \t"):
        raise EnvFileError(f"line {number}: a name without blanks must stand before the =")
    if value.startswith((" ", "\t")):
        return name, None
    if not value.startswith(QUOTE):
        raise EnvFileError(f"line {number}: the value must stand in single quotes")
    return name, value[1:]
