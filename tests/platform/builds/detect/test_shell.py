"""Command lines keep their meaning, and their last program gets the signals where that is safe."""

import subprocess

import pytest

from pilothouse.platform.builds.detect.shell import argv, with_exec


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("python app.py", "exec python app.py"),
        ("touch /tmp/x && python app.py", "touch /tmp/x && exec python app.py"),
        ("X=1 Y='a b' python app.py", "X=1 Y='a b' exec python app.py"),
        ("cd srv && python app.py", "cd srv && exec python app.py"),
        ("export X=1; python app.py", "export X=1; exec python app.py"),
        (". ./env && python app.py 2>&1", ". ./env && exec python app.py 2>&1"),
        ("python -c 'a && b; c | d'", "exec python -c 'a && b; c | d'"),
        ('serve --port ${PORT:-8080} --host "$(hostname)"', 'exec serve --port ${PORT:-8080} --host "$(hostname)"'),
    ],
)
def test_the_last_program_of_a_simple_line_takes_the_shells_place(line: str, wanted: str) -> None:
    assert with_exec(line) == wanted


@pytest.mark.parametrize(
    "line",
    [
        "exec python app.py",
        "python app.py | tee log",
        "nginx & python app.py",
        "python a.py || python b.py",
        "(cd srv; python app.py)",
        "if [ -f x ]; then python a.py; else python b.py; fi",
        "while true; do python a.py; done",
        "trap 'echo bye' TERM; python app.py",
        "python app.py &&",
        "cat <<X",
        "python 'app.py",
        "cd srv",
        "X=1",
        "",
    ],
)
def test_a_line_that_needs_its_shell_stays_as_it_is(line: str) -> None:
    assert with_exec(line) == line


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@pytest.mark.parametrize(
    "line",
    [
        "echo a && echo b",
        "X=1 Y='2 3' env | grep -c '^[XY]='",
        "X=1 sh -c 'echo $X'",
        "cd / && pwd",
        "false; echo still",
        "false && echo never",
        'echo "$(echo a; echo "b c")" `echo d`',
        "echo a\\ b 'it''s' >&2 2>&1",
        "export Z=9; sh -c 'echo $Z'",
    ],
)
def test_a_line_does_what_it_did(line: str, shell: str) -> None:
    def outcome(command: list[str]) -> tuple[int, str, str]:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
        return done.returncode, done.stdout, done.stderr

    assert outcome(list(argv(line, shell))) == outcome([shell, "-c", line])
