import os
from pathlib import Path

from pilothouse.platform.builds.inside.run import MOST_BYTES, Run


def run(script: str, timeout_s: float = 30.0) -> tuple[Run, list[str]]:
    found: list[str] = []
    made = Run(["/bin/sh", "-c", script], cwd=Path("/"), timeout_s=timeout_s, environ=os.environ)
    made.each_line(found.append)
    return made, found


def test_both_outputs_come_line_by_line() -> None:
    made, lines = run("echo one; echo two >&2; printf three; exit 3")
    assert (made.returncode, made.timed_out, lines) == (3, False, ["one", "two", "three"])


def test_what_does_not_end_is_killed_with_all_that_it_started() -> None:
    made, lines = run("echo begun; sleep 1000 & sleep 1000", timeout_s=0.2)
    assert (made.timed_out, lines) == (True, ["begun"])
    assert made.returncode != 0


def test_a_process_left_behind_does_not_keep_the_build_open() -> None:
    made, lines = run("sleep 1000 & echo done")
    assert (made.returncode, made.timed_out, lines) == (0, False, ["done"])


def test_a_line_without_an_end_comes_in_pieces() -> None:
    _, lines = run("head -c 200000 /dev/zero | tr '\\0' x")
    assert [len(line) for line in lines] == [MOST_BYTES, MOST_BYTES, MOST_BYTES, 200_000 - 3 * MOST_BYTES]
