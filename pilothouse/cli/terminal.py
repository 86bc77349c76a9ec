"""What the terminal can do: colours, columns, a line that is written over, and the characters that its encoding has.

Sources: no-color.org; bixense.com/clicolors; terminfo(5) for TERM=dumb.
"""

import io
import os
import shutil
import sys
import unicodedata
from collections.abc import Mapping
from typing import TextIO

DEFAULT_COLUMNS = 80
ELLIPSIS = "…"


def colour(option: str, environ: Mapping[str, str] = os.environ) -> bool | None:
    """Whether to print colours; None: where the output is a terminal. option: always, never or auto (of `--color`)."""
    if option != "auto":
        return option == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return False if environ.get("CLICOLOR") == "0" or environ.get("TERM") == "dumb" else None


def forgive_encoding() -> None:
    """What the locale's encoding lacks is printed as `?`, so that a name or a mark never ends a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def is_text(word: str) -> bool:
    """Whether a word of the command line could be decoded: what could not is in it as lone surrogates, which no document can hold."""
    return not any("\ud800" <= char <= "\udfff" for char in word)


def mark(wanted: str, plain: str) -> str:
    """A sign for standard error, or what stands for it where the encoding lacks it."""
    try:
        wanted.encode(sys.stderr.encoding or "utf-8")
    except UnicodeEncodeError:
        return plain
    return wanted


def is_live(stream: TextIO) -> bool:
    """Whether a line can be written over."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def columns(stream: TextIO) -> int | None:
    """How many characters fit a line; None where lines may have any length, as in a pipe."""
    if not stream.isatty():
        return None
    try:
        own = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        own = 0
    return shutil.get_terminal_size((own or DEFAULT_COLUMNS, 0)).columns if "COLUMNS" in os.environ else own or DEFAULT_COLUMNS


def width(text: str) -> int:
    """How many columns a plain text takes: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def cut(text: str, room: int | None) -> str:
    """The text, its end left out where it would not fit."""
    if room is None or width(text) <= room:
        return text
    while text and width(text) > room - 1:
        text = text[:-1]
    return f"{text}{ELLIPSIS}"
