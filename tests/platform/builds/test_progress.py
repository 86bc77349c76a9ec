import pytest

from pilothouse.platform.builds.progress import Begun, Ended, Mark, Note, parse


@pytest.mark.parametrize(
    ("mark", "line"),
    [
        (Begun("4/9", "RUN pip install x: y", 7), "==> 4/9 line 7: RUN pip install x: y"),
        (Begun("push", "127.0.0.1:5000/a:1"), "==> push: 127.0.0.1:5000/a:1"),
        (Ended("1:2/3", 12.3), "<== 1:2/3 12.3 s"),
        (Ended("5/9", 0.0, cached=True), "<== 5/9 cached"),
        (Note("python:3 stands in"), "--- python:3 stands in"),
    ],
)
def test_a_mark_is_read_as_it_was_written(mark: Mark, line: str) -> None:
    assert str(mark) == line
    assert parse(line) == mark


@pytest.mark.parametrize("line", ["", "Collecting flask", "==>", "<== 5/9", "--> 136ad79f92a"])
def test_what_a_program_prints_is_no_mark(line: str) -> None:
    assert parse(line) is None
