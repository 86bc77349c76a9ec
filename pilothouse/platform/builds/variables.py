"""Variables and words in a Dockerfile, as its instructions (not the shell) read them. Standard library alone: the builder runs it."""

import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_]\w*")
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:\\.|[^"\\])*"|'[^']*'|["'\\])+""")
_OPERATOR = re.compile(r":?[-+?]")


def expand(text: str, values: Mapping[str, str]) -> str:
    """`$NAME`, `${NAME}` and the forms with `:-`, `-`, `:+`, `+`, `:?` and `?`, nested; a backslash keeps a dollar; quotes go.

    A name without a value is empty text, also where `?` asks for an error: the builder reports that with its line.
    """
    out, at, quote = list[str](), 0, ""
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 < len(text) and quote != "'":
            out.append(text[at + 1])
            at += 2
        elif char in "\"'" and quote in ("", char):
            quote = "" if quote else char
            at += 1
        elif char == "$" and quote != "'":
            value, at = _variable(text, at + 1, values)
            out.append(value)
        else:
            out.append(char)
            at += 1
    return "".join(out)


def _variable(text: str, at: int, values: Mapping[str, str]) -> tuple[str, int]:
    """(its value, the place behind it); at: behind the dollar."""
    if text[at : at + 1] != "{":
        found = _NAME.match(text, at)
        return (values.get(found[0], ""), found.end()) if found else ("$", at)
    end = _closing(text, at)
    inner = text[at + 1 : end]
    name = _NAME.match(inner)
    if name is None:
        return "", end + 1
    return _chosen(values.get(name[0]), inner[name.end() :], values), end + 1


def _closing(text: str, at: int) -> int:
    depth = 0
    for index in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return len(text)


def _chosen(value: str | None, rest: str, values: Mapping[str, str]) -> str:
    """rest: an operator with its word, or nothing."""
    operator = _OPERATOR.match(rest)
    if operator is None:
        return value or ""
    is_set = bool(value) if operator[0].startswith(":") else value is not None
    word = expand(rest[operator.end() :], values)
    if operator[0].endswith("+"):
        return word if is_set else ""
    return (value or "") if is_set or operator[0].endswith("?") else word


def words(text: str) -> list[str]:
    """Split at blanks outside quotes; quotes and backslashes stay, for `expand` to read."""
    return _WORD.findall(text)
