import io

import pytest
import yaml

from pilothouse.cli import output


def test_columns_are_aligned_and_empty_cells_are_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["name", "ready"], [["shop", 2], ["a-long-name", None], ["", ""]])
    assert capsys.readouterr().out == "NAME         READY\nshop         2\na-long-name  -\n-            -\n"


def test_documents_are_json_or_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"b": [1, "two"], "a": None}
    output.document(value, "json")
    assert capsys.readouterr().out == '{\n  "b": [\n    1,\n    "two"\n  ],\n  "a": null\n}\n'
    output.document(value, "yaml")
    assert yaml.safe_load(capsys.readouterr().out) == value


def test_a_text_of_several_lines_is_a_block_in_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    output.document({"inline": "FROM a\nRUN b\n"}, "yaml")
    assert capsys.readouterr().out == "inline: |\n  FROM a\n  RUN b\n"


@pytest.mark.parametrize(
    ("seconds", "expected"), [(-3, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (86399, "23h"), (172800, "2d")]
)
def test_ages_are_the_largest_whole_unit(seconds: float, expected: str) -> None:
    assert output.age(seconds) == expected


def test_notes_and_progress_leave_standard_output_to_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    output.note("working")
    with output.Progress().step("a step"):
        pass
    with pytest.raises(ValueError), output.Progress().step("a step that fails"):
        raise ValueError
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "working" in shown.err
    assert "✓ a step (" in shown.err
    assert "✗ a step that fails (" in shown.err


def test_what_is_waited_for_is_shown_on_a_terminal_and_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stderr", terminal)
    waiting = output.Waiting()
    waiting.show("the build is pending")
    assert terminal.getvalue().endswith("… the build is pending (0 s)")
    waiting.clear()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_nothing_is_counted_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr("sys.stderr", pipe)
    waiting = output.Waiting()
    waiting.show("the build is pending")
    waiting.clear()
    assert pipe.getvalue() == ""


def test_what_is_waited_for_is_a_line_when_it_changes_and_lasts(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = output.Waiting(settle_s=0)
    for what in ("1 of 2 replicas", "2 of 2 replicas", "it crashed", "it crashed"):
        waiting.show(what)
    assert capsys.readouterr().err == "… 1 of 2 replicas\n… it crashed\n"
    hasty = output.Waiting(settle_s=60)
    hasty.show("soon over")
    assert capsys.readouterr().err == ""


def test_colours_do_not_move_columns(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["a", "b"], [[output.good("ok"), 1], ["longer", 2]])
    assert capsys.readouterr().out == "A       B\nok      1\nlonger  2\n"


def test_a_pipe_gets_a_sentence_as_one_line() -> None:
    assert output.folded("word " * 100) == "word " * 100


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07red \x1b[31m", r"\x1b]0;owned\x07red \x1b[31m"),
        ("gone\r\x9b2K\x7f", r"gone\r\x9b2K\x7f"),
        ("a\u202eb\u2028c", r"a\u202eb\u2028c"),
        ("\u955c\u50cf\u3000caf\xe9\n\tplain", "\u955c\u50cf\u3000caf\xe9\n\tplain"),
    ],
)
def test_a_message_of_anybody_does_not_steer_the_terminal(text: str, shown: str) -> None:
    assert output.folded(text) == shown


def test_a_message_does_not_steer_a_terminal_that_lines_are_folded_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output.terminal, "columns", lambda stream: 30)
    assert output.folded("first words of it \x1b[2J and of\nthe rest") == "first words of it \\x1b[2J and\nof the rest"
