"""One command at a time changes an instance: two that start or remove it at once would each undo half of what the other does.

The turn is a lock on the home's folder, so it leaves no file behind, and ends with its process however that ends. It is held while
something is changed and not while an instance is waited for: `ph down` works at any time.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from pilothouse.cli import output
from pilothouse.cli.settings.home import Home

WAIT_S = 60.0
POLL_S = 0.05


@contextmanager
def turn(home: Home, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the turn for the block. Raises ClickException when it is not had in time.

    The home's folder is made when it is missing, and removed again when the block leaves nothing in it.
    """
    descriptor = _taken(home, wait_s)
    try:
        yield
    finally:
        with suppress(OSError):
            home.path.rmdir()  # Refused unless it is empty.
        os.close(descriptor)


def _taken(home: Home, wait_s: float) -> int:
    end = time.monotonic() + wait_s
    is_said = False
    while (descriptor := _try(home)) is None:
        if time.monotonic() > end:
            raise click.ClickException(f"another `ph` command has been changing the instance at {home.path} for {wait_s:g} s: end it first")
        if not is_said:
            is_said = True
            output.note("waiting for another `ph` command that is changing this instance")
        time.sleep(POLL_S)
    return descriptor


def _try(home: Home) -> int | None:
    """The locked folder; None when another has it, or has just removed it."""
    try:
        home.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileExistsError, FileNotFoundError):
        if home.path.exists() and not home.path.is_dir():
            raise
        return None  # Somebody has removed it in between.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), home.path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
