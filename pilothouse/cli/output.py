"""How `ph` speaks: aligned tables, JSON or YAML on request, progress on standard error, colours only on a terminal."""

import json
import re
import sys
import textwrap
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from pilothouse.cli import columns, terminal
from pilothouse.cli.session import placed

_NUMBERS = re.compile(r"\d+")
OUTPUT = click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", help="How to print the result.")


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Aligned columns on standard output, folded to the width of a terminal and never in a pipe."""
    cells = [[heading.upper() for heading in headings], *[[_cell(value) for value in row] for row in rows]]
    for line in columns.lines(cells, terminal.columns(sys.stdout)):
        click.echo(line)


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def document(value: Any, how: str) -> None:
    """A value as JSON or YAML."""
    if how == "json":
        click.echo(json.dumps(value, indent=2))
    else:
        import yaml

        class Dumper(yaml.SafeDumper):
            """Texts of several lines as blocks."""

        def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
            return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

        Dumper.add_representer(str, text)
        click.echo(yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120), nl=False)


def note(text: str) -> None:
    """A line for the person at the terminal, not for a pipe."""
    click.echo(placed(text), err=True)


def say(text: str) -> None:
    """A line of the result for a person to read."""
    click.echo(placed(text))


def good(text: str) -> str:
    return click.style(text, fg="green")


def half(text: str) -> str:
    return click.style(text, fg="yellow")


def bad(text: str) -> str:
    return click.style(text, fg="red")


def tick() -> str:
    """The mark of a step that is done."""
    return good(terminal.mark("✓", "+"))


def folded(text: str, *, indent: int = 0) -> str:
    """Lines as wide as the terminal, all but the first indented; one line where there is none. What steers a terminal is escaped."""
    text = harmless(text)
    width = terminal.columns(sys.stdout)
    if width is None:
        return text
    return textwrap.fill(text, max(20, width), subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def harmless(text: str) -> str:
    """A text of anybody's, such as a message of an Event: what steers a terminal or changes the order of letters is shown escaped.

    Ends of lines and tabs stay.
    """
    return text if text.isprintable() else "".join(_escaped(each) if _is_steering(each) else each for each in text)


def _is_steering(char: str) -> bool:
    category = unicodedata.category(char)
    return char not in "\n\t" and (category.startswith("C") or category in ("Zl", "Zp"))


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def age(seconds: float) -> str:
    """`42s`, `5m`, `3h`, `2d`: the largest whole unit, as kubectl shows ages."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


class Progress:
    """Long work, step by step with its time: on a terminal the running step's line counts seconds, elsewhere a line a step."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.live = terminal.is_live(sys.stderr)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        if self.live:
            sys.stderr.write(terminal.cut(f"{terminal.mark('…', '...')} {what}", terminal.columns(sys.stderr)))
            sys.stderr.flush()
        try:
            yield
        except BaseException:
            self._end(bad(terminal.mark("✗", "x")), what, begun)
            raise
        self._end(tick(), what, begun)

    def _end(self, mark: str, what: str, begun: float) -> None:
        start = "\r\x1b[K" if self.live else ""
        click.echo(f"{start}{mark} {what} ({time.monotonic() - begun:.1f} s)", err=True)


class Waiting:
    """What is being waited for: on a terminal one line that changes, with its seconds; elsewhere a line when it changes.

    settle_s: elsewhere, what passes sooner than this is not shown.
    """

    def __init__(self, settle_s: float = 2.0) -> None:
        self._live = terminal.is_live(sys.stderr)
        self._settle_s = settle_s
        self._what = ""
        self._begun = 0.0
        self._shown: set[str] = set()

    def show(self, what: str) -> None:
        now = time.monotonic()
        if what != self._what:
            self._what, self._begun = what, now
        if self._live:
            line = f"{terminal.mark('…', '...')} {placed(what)} ({time.monotonic() - self._begun:.0f} s)"
            sys.stderr.write(f"\r\x1b[K{terminal.cut(line, terminal.columns(sys.stderr))}")
            sys.stderr.flush()
        elif now - self._begun >= self._settle_s and (same := _NUMBERS.sub("", what)) not in self._shown:
            self._shown.add(same)
            note(f"{terminal.mark('…', '...')} {what}")

    def clear(self) -> None:
        if self._live and self._what:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
