"""What the agent's own thread does in one round beside its step."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from pilothouse.platform.databases.inside.agent.disk import Disk
from pilothouse.platform.databases.inside.agent.loop import BUSY_S, STEADY_S, Loop
from pilothouse.platform.databases.inside.agent.observe import Observer
from pilothouse.platform.databases.inside.agent.program import Program
from pilothouse.platform.databases.inside.agent.seen import Answer, Seen, SemiSync
from pilothouse.platform.databases.inside.agent.upkeep import Upkeep
from pilothouse.platform.databases.inside.agent.wanted import Wanted
from tests.platform.databases.inside.agent.test_parts import parsed, settings

ANSWER = Answer("10.11", 1, True, "0-1-5", "", "0-1-5", SemiSync(False, False, 0, 0, False), None, "", 1, 60)
RUNNING = Seen("ready", 7, True, False, False, None, "primary", True, True, "", True, 0, Disk(1 << 30, 1 << 29), False, ANSWER)


class Sight:
    """Always the same."""

    fenced_at, unanswered_s, read_only_s = 0, 0.0, None

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def look(self, wanted: Wanted | None) -> Seen:
        return self._seen


class Seeing(Upkeep):
    """volumes: of the rounds in which it was asked to see to the logs."""

    def __init__(self) -> None:
        self.volumes: list[Disk] = []

    def see_to(self, archived: str | None, volume: Disk) -> None:
        self.volumes.append(volume)


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    here = replace(settings(tmp_path), run=tmp_path, tls=tmp_path)
    for name in ("ca.crt", "tls.crt", "tls.key"):
        (tmp_path / name).touch()
    return Loop(here, Program(tmp_path / "agent.pyz"))


def test_logs_are_seen_to_while_a_full_primary_waits_for_room(loop: Loop) -> None:
    """They are what fills the volume."""
    full = replace(RUNNING, is_full=True, disk=Disk(1 << 30, 1 << 20))
    loop._observer, loop._upkeep = cast("Observer", Sight(full)), Seeing()
    loop.obey(parsed(role="primary"))
    loop._round()
    assert loop.board.read()["error"]
    assert loop._upkeep.volumes == [full.disk]


def test_the_longer_something_is_waited_for_the_less_often_it_is_looked_at(loop: Loop) -> None:
    full = replace(RUNNING, is_full=True, disk=Disk(1 << 40, 1 << 39))
    loop._observer, loop._upkeep = cast("Observer", Sight(full)), Seeing()
    loop.obey(parsed(role="primary"))
    assert loop._round() == BUSY_S
    doing, since = loop._waiting
    for waited_s, pause_s in ((10.0, 0.2), (3600.0, STEADY_S)):
        loop._waiting = doing, since - waited_s
        assert loop._round() == pytest.approx(pause_s, rel=0.1)
    loop._observer = cast("Observer", Sight(replace(full, is_full=False, answer=None)))
    assert loop._round() == BUSY_S, "it is something else"
