"""Runs kubectl exec on this terminal, and says in one sentence when the container has no such program."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence

import click

_CANNOT = re.compile(
    rb'^error: .*exec: "(?P<program>[^"]+)": (?:stat [^:]+: )?'
    rb"(?P<why>executable file not found|no such file or directory|permission denied|is a directory).*\n?",
    re.MULTILINE,
)
_OWN = b"error: "
"""How kubectl begins what it says itself."""
NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of shells for a command that cannot be run."""


def run_in_container(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """The command's exit code; 127 when there is no such program, 126 when it cannot be executed."""
    with subprocess.Popen(argv, env=dict(environment), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        held = b""
        while piece := os.read(process.stderr.fileno(), 65536):
            held = _write(held + piece)
        code = process.wait()
    if code and (found := _CANNOT.search(held)):
        program, why = found["program"].decode(errors="replace"), found["why"].decode()
        is_missing = "not found" in why or "no such" in why
        click.echo(
            f"Error: {f'the container has no program {program}' if is_missing else f'{program} cannot be executed: {why}'}", err=True
        )
        return NOT_FOUND if is_missing else NOT_EXECUTABLE
    _put(held)
    return code


def _write(data: bytes) -> bytes:
    """Pass on all but what begins like kubectl's own last words, which is returned."""
    start = 0 if data.startswith(_OWN) else data.rfind(b"\n" + _OWN) + 1
    if start == 0 and not data.startswith(_OWN):
        _put(data)
        return b""
    _put(data[:start])
    return data[start:]


def _put(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()
