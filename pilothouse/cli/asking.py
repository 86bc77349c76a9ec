"""Questions at the terminal: answered by y, n, Ctrl-C, or beforehand by --yes."""

import contextlib
import signal
import sys
from collections.abc import Iterator

import click


def confirm(question: str, *, yes: bool, kept: str = "nothing was changed") -> None:
    """Return when the answer is y, or when yes says so already.

    Raises ClickException where nobody can be asked, `Exit(1)` with the sentence `kept` for any other answer, KeyboardInterrupt at Ctrl-C.
    Works inside of an event loop, which stands still meanwhile.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(f"{question} There is no terminal to ask at: use --yes")
    with _interruptible():
        click.echo(f"{question} [y/N]: ", nl=False, err=True)
        answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        click.echo(err=True)
    if answer.strip().lower() not in ("y", "yes"):
        click.echo(kept, err=True)
        raise click.exceptions.Exit(1)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends the reading at once: asyncio's handler would only note it for when the loop goes on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
