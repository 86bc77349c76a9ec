"""At a real terminal: questions, colours and widths."""

import io
import sys

import pytest

from pilothouse.cli import columns, output, terminal
from tests.cli.pseudo_terminal import PseudoTerminal

ASK = """
import asyncio, sys
from pilothouse.cli import asking, ending
async def work():
    asking.confirm("Remove it?", yes=False)
    print("removed")
sys.exit(ending.exit_code(lambda: asyncio.run(work()), verbose=False))
"""
SHOW = """
import click
from pilothouse.cli import output
from pilothouse.cli.main import ph
@ph.command()
def show():
    with output.Progress().step("a step"): pass
    click.echo(output.good("Ready"))
ph.get_command = lambda ctx, name: show
ph.resolve_command = lambda ctx, args: ("show", show, args[1:])
ph(["show"])
"""
TABLE = """
from pilothouse.cli import output
output.table(["name", "message"], [["shop", "the image cannot be pulled because the registry does not answer"], ["blog", "serves"]])
"""


def asked() -> PseudoTerminal:
    return PseudoTerminal(sys.executable, "-c", ASK)


@pytest.mark.parametrize(
    ("keys", "code", "said"),
    [
        ("y\n", 0, "removed"),
        ("n\n", 1, "nothing was changed"),
        ("\n", 1, "nothing was changed"),
        ("\x04", 1, "nothing was changed"),
        ("\x03", 130, "interrupted"),
    ],
    ids=["y", "n", "enter", "ctrl-d", "ctrl-c"],
)
def test_a_question_is_answered_once(keys: str, code: int, said: str) -> None:
    with asked() as shown:
        shown.until("Remove it? [y/N]: ")
        shown.type(keys)
        assert shown.end() == code
        assert said in shown.shown
        assert ("removed" in shown.shown) == (code == 0)


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"CLICOLOR": "0"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_whose_owner_wants_them(environ: dict[str, str], coloured: bool) -> None:
    with PseudoTerminal(sys.executable, "-c", SHOW, environ=environ) as shown:
        assert shown.end() == 0
    assert ("\x1b[32mReady" in shown.shown) == coloured
    assert ("\x1b[32m✓" in shown.shown) == coloured


def test_a_dumb_terminal_gets_whole_lines_only() -> None:
    with PseudoTerminal(sys.executable, "-c", SHOW, environ={"TERM": "dumb"}) as shown:
        shown.end()
    assert "\x1b" not in shown.shown
    assert "… a step" not in shown.shown


def test_color_wins_over_the_environment() -> None:
    assert terminal.colour("always", {"NO_COLOR": "1"}) is True
    assert terminal.colour("never", {"CLICOLOR_FORCE": "1"}) is False
    assert terminal.colour("auto", {"CLICOLOR_FORCE": "1", "TERM": "dumb"}) is True
    assert terminal.colour("auto", {}) is None


def test_a_table_is_folded_to_the_terminal_and_loses_nothing() -> None:
    with PseudoTerminal(sys.executable, "-c", TABLE, columns=40) as shown:
        shown.end()
    lines = shown.shown.splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(" ".join(lines).split()) == (
        "NAME MESSAGE shop the image cannot be pulled because the registry does not answer blog serves"
    )


def test_sentences_are_folded_before_names_are_broken() -> None:
    rows = [["a-name-that-is-long", "a sentence of several words that can be folded"]]
    assert list(columns.lines(rows, 36)) == [
        "a-name-that-is-long  a sentence of",
        "                     several words",
        "                     that can be",
        "                     folded",
    ]


def test_words_that_are_too_long_are_broken_and_wide_characters_count_twice() -> None:
    rows = [["NAME", "URL"], ["店", "https://a-long-name.example.org/"], ["", "\x1b[32mReady\x1b[0m"]]
    shown = list(columns.lines(rows, 24))
    assert shown == ["NAME  URL", "店    https://a-long-nam", "      e.example.org/", "      \x1b[32mReady\x1b[0m"]


def test_a_mark_that_the_encoding_lacks_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert terminal.mark("✓", "+") == "+"
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert terminal.mark("✓", "+") == "✓"


def test_what_is_waited_for_stays_on_one_line() -> None:
    show = (
        "from pilothouse.cli import output; w = output.Waiting(); w.show('the image is being pulled from a registry far away'); w.clear()"
    )
    with PseudoTerminal(sys.executable, "-c", show, columns=30) as shown:
        shown.end()
    assert shown.shown == "\r\x1b[K… the image is being pulled f…\r\x1b[K"


def test_a_pipe_gets_a_line_a_row_and_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["name", "message"], [["shop", output.good("Ready") + " x" * 200]])
    assert [len(line) for line in capsys.readouterr().out.splitlines()] == [13, 411]
