"""A build's log as it is shown: folded to its steps and their times, or as it is."""

import sys
from collections import deque

import click

from pilothouse.cli import output, terminal
from pilothouse.platform.builds.progress import Begun, Ended, Note, parse

TAIL = 20
"""Lines of the step that failed."""
_LONGEST = 90


class BuildView:
    """Fed with bytes as they arrive. waiting: shows the step that runs."""

    def __init__(self, waiting: output.Waiting, *, verbose: bool) -> None:
        self._waiting = waiting
        self._verbose = verbose
        self._rest = b""
        self._step: Begun | None = None
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._note = ""

    def feed(self, piece: bytes) -> None:
        if self._verbose:
            sys.stderr.buffer.write(piece)
            sys.stderr.flush()
            return
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._line(line.decode(errors="replace").rstrip("\r"))

    def _line(self, text: str) -> None:
        mark = parse(text)
        self._show_note()
        if isinstance(mark, Begun):
            self._step = mark
            self._tail.clear()
            self.show_running()
        elif isinstance(mark, Ended):
            self._ended(mark)
        elif isinstance(mark, Note):
            self._note = mark.text
        elif text.strip():
            self._tail.append(text)

    def _show_note(self) -> None:
        """One behind: a failed build's last note is its reason, which the deploy ends with."""
        if self._note:
            self._waiting.clear()
            output.note(self._note)
        self._note = ""

    def _ended(self, mark: Ended) -> None:
        self._waiting.clear()
        if self._step is not None:
            output.note(f"  {_shown(self._step)}  {'cached' if mark.cached else f'{mark.seconds:.1f} s'}")
        self._step = None
        self._tail.clear()

    def show_running(self) -> None:
        """The step that runs, with its seconds."""
        if self._step is not None:
            self._waiting.show(_shown(self._step))

    def show_failure(self) -> None:
        """The step that did not end, and the last that it printed."""
        if self._verbose or self._step is None:
            return
        self._waiting.clear()
        output.note(output.bad(f"  {_shown(self._step)}"))
        for line in self._tail:
            click.echo(f"    {line}", err=True)


def _shown(step: Begun) -> str:
    """On one line of the terminal, with room for what it took."""
    width = terminal.columns(sys.stderr)
    most = _LONGEST if width is None else max(20, min(_LONGEST, width - 20))
    name = step.name if len(step.name) <= most else f"{step.name[: most - 1]}…"
    return f"{step.number:>5}  {name}"
