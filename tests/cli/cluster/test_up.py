"""What `ph up` and `ph down` make of a start that was interrupted."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from pilothouse.cli.cluster import commands, service, waiting
from pilothouse.cli.cluster.waiting import NotUp
from pilothouse.cli.session import Session
from pilothouse.cli.settings.home import Home, Settings


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Of a home whose first start has been begun; nothing is really started or stopped."""
    monkeypatch.setattr(service, "start", lambda home: None)
    monkeypatch.setattr(commands, "need_root", lambda command: None)
    home = Home(tmp_path)
    commands.note_first(home)
    return Session(home, None, False)


def test_a_node_that_was_not_let_in_yet_goes_on_joining(session: Session) -> None:
    """And is not made a cluster of its own."""
    joining = Settings(server="https://192.0.2.1:6443", node_name="n")
    joining.save(session.home)
    with ExitStack() as held:
        assert commands._start(session, {}, held, None) == (joining, True)
    assert session.home.unproven.exists()


@pytest.mark.parametrize(
    ("settings", "proven", "said"),
    [
        (Settings(), True, "brings it back as it was"),
        (Settings(), False, "begins anew, with the options that it is given"),
        (Settings(server="https://192.0.2.1:6443"), False, "brings it back as it was"),
    ],
)
def test_who_stops_an_instance_is_told_what_comes_back(
    session: Session, settings: Settings, proven: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.save(session.home)
    if proven:
        session.home.unproven.unlink()
    monkeypatch.setattr(commands, "stop", lambda home: True)
    done = CliRunner().invoke(commands.down, obj=session)
    assert said in done.output


def test_a_node_that_does_not_reach_its_cluster_is_said_to_go_on(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait_ready(home: Home, **more: object) -> None:
        raise NotUp("API server does not start: nobody answers")

    Settings(server="https://192.0.2.1:6443", node_name="n").save(session.home)
    session.home.unproven.unlink()
    monkeypatch.setattr(commands, "wait_ready", wait_ready)
    monkeypatch.setattr(commands, "require_programs", lambda: None)
    monkeypatch.setattr(commands, "provide", lambda *found: None)
    done = CliRunner().invoke(commands.up, [], obj=session)
    assert done.exit_code == 1
    assert "API server does not start: nobody answers. The node goes on trying: `ph" in done.output


def test_who_interrupts_a_drain_is_told_that_nothing_is_stopped(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def interrupted(homes: object, total_s: int) -> list[str]:
        raise asyncio.CancelledError

    monkeypatch.setattr(service, "is_running", lambda home, role: True)
    monkeypatch.setattr(commands.draining, "drain_all", interrupted)
    with pytest.raises(asyncio.CancelledError):
        commands._drain(session, 5)
    assert "nothing is stopped: the nodes take pods again" in capsys.readouterr().err


def test_who_interrupts_the_wait_is_told_that_the_start_goes_on(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting.service, "is_running", lambda home, role: True)
    monkeypatch.setattr(waiting.time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        waiting.wait_ready(session.home)
    assert "it goes on starting in the background: `ph status` shows how far it is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nodes", "2", "--http-port", "9"], "--http-port is for its start: `ph --home HOME down` comes before"),
        (["--if-needed", "--no-platform"], "--no-platform is for its start"),
        (["--nodes", "2"], "without a network between nodes: `ph --home HOME down`, and then `ph --home HOME up --nodes 2`"),
        ([], "Pilothouse is being started already (home HOME)"),
    ],
)
def test_an_instance_that_runs_refuses_what_takes_another_start(
    session: Session, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Settings().save(session.home)
    monkeypatch.setattr(service, "is_running", lambda home, role: True)
    done = CliRunner().invoke(commands.up, words, obj=session)
    assert done.exit_code == 1
    assert said.replace("HOME", str(session.home.path)) in done.output
