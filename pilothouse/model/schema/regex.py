"""Patterns of schemas are written for Go's regexp; Python's differs in a handful of places, which are translated here."""

import functools
import re

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7F",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1F\\x7F",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_TOKEN = re.compile(r"(?P<posix>\[:\^?[a-z]+:\])|\\.|\[\^?\]?|\]|\$|\(\?<(?![=!])|.", re.DOTALL)
_OUTSIDE = {"\\z": "\\Z", "$": "\\Z", "(?<": "(?P<"}


@functools.lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern for `search`, or None when Python cannot express it (the check is then left out)."""
    try:
        return re.compile(_translated(pattern), re.ASCII)
    except re.error:
        return None


def _translated(pattern: str) -> str:
    found, in_class = [], False
    for match in _TOKEN.finditer(pattern):
        part = match[0]
        if in_class:
            in_class = part != "]"
            found.append(_inside(part, match["posix"]))
        else:
            in_class = part.startswith("[")
            found.append(_OUTSIDE.get(part, part))
    return "".join(found)


def _inside(part: str, posix: str | None) -> str:
    """A part of a character class, where an opening bracket is an ordinary character."""
    if posix is not None:
        return _POSIX.get(posix.strip("[:^]"), "")
    return part.replace("[", "\\[", 1) if part.startswith("[") else part
