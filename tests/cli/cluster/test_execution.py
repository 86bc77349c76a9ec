import os
import sys

import pytest

from pilothouse.cli.cluster.execution import run_in_container

CANNOT = 'error: Internal error occurred: error executing command in container: failed to exec in container: exec: "{0}": {1}: unknown'


def run(stderr: str, code: int) -> int:
    """A client that says this on standard error and ends so."""
    program = f"import sys; sys.stderr.write({stderr!r}); sys.exit({code})"
    return run_in_container([sys.executable, "-c", program], os.environ)


@pytest.mark.parametrize(
    ("why", "code", "said"),
    [
        ("executable file not found in $PATH", 127, "Error: the container has no program nosuch\n"),
        ("stat /nosuch: no such file or directory", 127, "Error: the container has no program nosuch\n"),
        ("permission denied", 126, "Error: nosuch cannot be executed: permission denied\n"),
    ],
)
def test_a_program_that_is_not_there_is_one_sentence(why: str, code: int, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(CANNOT.format("nosuch", why), 1) == code
    assert capfd.readouterr().err == said


@pytest.mark.parametrize("said", ["", "warning: x\nerror: y\n", "error: command terminated\n", "no newline", "a\nerror: b\nc\n"])
def test_everything_else_passes_unchanged(said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(said, 3) == 3
    assert capfd.readouterr().err == said
