"""Variables as people write them: KEY=VALUE options and .env files."""

import os
import re
from pathlib import Path

import click

from pilothouse.platform.apps import check

_LINE = re.compile(r"\s*(?:export\s+)?(?P<key>[^=\s]+)\s*=\s*(?P<rest>.*)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}
MOST_BYTES = 1_000_000
"""A file of variables is small; what is larger is some other file."""


def pairs(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE options as a mapping; a KEY alone takes its value from the environment."""
    found: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if fault := check.variable(key):
            raise click.BadParameter(fault, context, option)
        if not equals and key not in os.environ:
            raise click.BadParameter(f"{key} has no value: write {key}=VALUE or set it in the environment", context, option)
        found[key] = value if equals else os.environ[key]
    return found


def names(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for key in values:
        if fault := check.variable(key):
            raise click.BadParameter(fault, context, option)
    return values


def files(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """The variables of all named files; the last one that sets a variable decides."""
    found: dict[str, str] = {}
    for name in values:
        try:
            found |= read(Path(name))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise click.BadParameter(f"{name}: {why}", context, option) from error
    return found


def read(path: Path) -> dict[str, str]:
    """The variables of a .env file; raises ValueError that names the line."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES} bytes and is no file of variables")
    return parse(path.read_text(encoding="utf-8-sig"))


def parse(text: str) -> dict[str, str]:
    """`KEY=VALUE` lines with comments, `export` and quotes. Nothing is expanded; a quoted value may hold line breaks."""
    found: dict[str, str] = {}
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        begin, line = number, lines[number]
        number += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"line {begin + 1} is not KEY=VALUE")
        if fault := check.variable(match["key"]):
            raise ValueError(f"line {begin + 1}: {fault}")
        rest = match["rest"]
        while rest[:1] in ("'", '"') and _closing(rest) < 0 and number < len(lines):
            rest, number = f"{rest}\n{lines[number]}", number + 1
        found[match["key"]] = _value(rest, begin + 1)
    return found


def _closing(text: str) -> int:
    """Where the quote that the text begins with ends; -1 when it does not."""
    quote, at = text[0], 1
    while at < len(text):
        if text[at] == "\\" and quote == '"':
            at += 1
        elif text[at] == quote:
            return at
        at += 1
    return -1


def _value(text: str, line: int) -> str:
    if text[:1] not in ("'", '"'):
        return re.sub(r"(^|\s+)#.*", "", text).strip()
    end = _closing(text)
    after = text[end + 1 :].strip()
    if end < 0 or (after and not after.startswith("#")):
        raise ValueError(f"line {line} has a quote that does not end, or text after it")
    inner = text[1:end]
    return inner if text[0] == "'" else re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), inner, flags=re.DOTALL)
