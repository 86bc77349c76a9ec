"""Commands that change the same instance take turns."""

import multiprocessing
import threading
from pathlib import Path

import click
import pytest

from pilothouse.cli.cluster.turn import turn
from pilothouse.cli.settings.home import Home


def test_a_second_command_waits_and_then_says_why_it_goes_no_further(tmp_path: Path) -> None:
    with (
        turn(Home(tmp_path)),
        pytest.raises(click.ClickException, match=f"changing the instance at {tmp_path}"),
        turn(Home(tmp_path), wait_s=0.1),
    ):
        pass
    with turn(Home(tmp_path), wait_s=0.1):
        pass


def test_the_turn_of_a_command_that_is_killed_is_free(tmp_path: Path) -> None:
    def hold(began: object) -> None:
        with turn(Home(tmp_path)):
            began.set()  # type: ignore[attr-defined]
            threading.Event().wait()

    (tmp_path / "settings.json").touch()
    context = multiprocessing.get_context("fork")
    began = context.Event()
    other = context.Process(target=hold, args=(began,))
    other.start()
    assert began.wait(10)
    other.kill()
    other.join(10)
    with turn(Home(tmp_path), wait_s=1):
        pass


def test_who_has_waited_for_a_removal_gets_the_turn_of_the_new_folder(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    found: list[bool] = []

    def up() -> None:
        with turn(home, wait_s=10):
            home.settings.touch()
            with pytest.raises(click.ClickException), turn(home, wait_s=0.05):
                pass
            found.append(True)

    with turn(home):
        thread = threading.Thread(target=up)
        thread.start()
        home.path.rmdir()
    thread.join(10)
    assert found == [True]


def test_a_folder_in_which_nothing_is_made_does_not_stay(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with turn(home):
        assert home.path.exists()
    assert not home.path.exists()
