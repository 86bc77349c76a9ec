"""How `ph` speaks: aligned tables, JSON or YAML on request, progress on standard error, colours only on a terminal."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from pilothouse.cli import columns, terminal
from pilothouse.cli.session import placed

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


def bad(text: str) -> str:
    return click.style(text, fg="red")


def tick() -> str:
    """The mark of a step that is done."""
    return good(terminal.mark("✓", "+"))


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
    """What is being waited for, with its seconds: one line on a terminal, gone before anything else is printed; nothing elsewhere."""

    def __init__(self) -> None:
        self._live = terminal.is_live(sys.stderr)
        self._what = ""
        self._begun = 0.0

    def show(self, what: str) -> None:
        if what != self._what:
            self._what, self._begun = what, time.monotonic()
        if self._live:
            line = f"{terminal.mark('…', '...')} {placed(what)} ({time.monotonic() - self._begun:.0f} s)"
            sys.stderr.write(f"\r\x1b[K{terminal.cut(line, terminal.columns(sys.stderr))}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._live and self._what:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
