"""Files of variables that containers leave in a volume for others: `NAME='value'` lines. Pure.

A value stands in single quotes, as it is, over several lines if need be; a comment may follow it. A blank between `=` and the quote makes
the value empty, as a shell reads it. Source: KEP-3721; the strict form that upstream reads since 1.35.
"""

MOST_BYTES = 64 * 1024
QUOTE = "'"


class EnvFileError(Exception):
    """The file is written otherwise; the message names the line."""


def value_of(text: str, key: str) -> str | None:
    """None when the file does not name it. Raises EnvFileError for a file that is written otherwise, up to where the name stands."""
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
            if name == key:
                return ""
            continue
        body, closed, rest = value.partition(QUOTE)
        while not closed:
            if at == len(lines):
                raise EnvFileError(f"line {start}: the single quote is not closed")
            more, closed, rest = lines[at].partition(QUOTE)
            body, at = f"{body}\n{more}", at + 1
        if rest.lstrip(" \t\r") and not rest.lstrip(" \t").startswith("#"):
            raise EnvFileError(f"line {at}: nothing but a comment may follow the closing quote")
        if name == key:
            return body
    return None


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
