import sys

import pytest

from pilothouse.cli import output
from pilothouse.cli.apps.build_view import TAIL, BuildView
from tests.cli.pseudo_terminal import PseudoTerminal

LOG = b"""--- python:3-slim stands in for the public image
==> 1/3 line 1: FROM python:3-slim
<== 1/3 cached
==> 2/3 line 2: RUN pip install flask
Collecting flask
Successfully installed flask-3.1
<== 2/3 12.3 s
"""
FAILING = b"==> 3/3 line 3: RUN make\n" + b"".join(b"line %d\n" % number for number in range(50))


def shown(capsys: pytest.CaptureFixture[str], *pieces: bytes, verbose: bool = False, failed: bool = False) -> str:
    view = BuildView(output.Waiting(), verbose=verbose)
    for piece in pieces:
        view.feed(piece)
    if failed:
        view.show_failure()
    return capsys.readouterr().err


def test_a_build_is_folded_to_its_steps_with_their_times(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, LOG) == (
        "python:3-slim stands in for the public image\n    1/3  FROM python:3-slim  cached\n    2/3  RUN pip install flask  12.3 s\n"
    )


def test_lines_may_arrive_in_any_pieces(capsys: pytest.CaptureFixture[str]) -> None:
    whole = shown(capsys, LOG)
    assert shown(capsys, *(LOG[i : i + 7] for i in range(0, len(LOG), 7))) == whole


def test_the_step_that_failed_is_shown_with_its_last_lines(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, LOG, FAILING, failed=True).splitlines()
    assert said[-1] == "    line 49"
    assert said[-TAIL - 1] == "    3/3  RUN make"


def test_all_of_it_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, LOG, FAILING, verbose=True, failed=True).encode() == LOG + FAILING


def test_the_reason_of_a_failed_build_is_left_to_the_one_who_ends_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, LOG, b"==> 3/3 line 3: RUN make\n<== 3/3 1.0 s\n--- it failed\n", failed=True)
    assert said.endswith("    3/3  RUN make  1.0 s\n")


def test_a_long_instruction_takes_one_line_of_a_terminal() -> None:
    program = (
        "from pilothouse.cli import output; from pilothouse.cli.apps.build_view import BuildView; "
        "BuildView(output.Waiting(), verbose=False).feed(b'==> 3/12 line 3: RUN ' + b'x' * 200 + b'\\n<== 3/12 12.3 s\\n')"
    )
    with PseudoTerminal(sys.executable, "-c", program, columns=60) as terminal:
        assert terminal.end() == 0
        assert max(len(line.rpartition("\x1b[K")[2]) for line in terminal.shown.splitlines()) <= 60
