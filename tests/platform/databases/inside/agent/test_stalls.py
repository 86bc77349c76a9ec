"""A loop that hangs says so, and what takes long does not hold it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from pilothouse.platform.databases.inside.agent import configuration, discarding, disk, errant
from pilothouse.platform.databases.inside.agent.carry import Carrier
from pilothouse.platform.databases.inside.agent.discarding import Discarding
from pilothouse.platform.databases.inside.agent.https.api import Api
from pilothouse.platform.databases.inside.agent.https.handler import Handler
from pilothouse.platform.databases.inside.agent.loop import AGAIN_S, GLANCE_S, Loop
from pilothouse.platform.databases.inside.agent.memory import Memory
from pilothouse.platform.databases.inside.agent.plan import Do, Step
from pilothouse.platform.databases.inside.agent.program import Program
from pilothouse.platform.databases.inside.agent.seen import Seen
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Refused
from pilothouse.platform.databases.inside.agent.state import STUCK_S, Board, State
from pilothouse.platform.databases.mysql.topology.member import SILENT_S, Member
from tests.platform.databases.inside.agent.test_parts import parsed, settings

WITHIN_S = 5.0


def ended(work: Discarding) -> None:
    end = time.monotonic() + WITHIN_S
    while work.is_busy and time.monotonic() < end:
        time.sleep(0.01)
    assert not work.is_busy


@pytest.fixture
def place(tmp_path: Path) -> Settings:
    found = settings(tmp_path)
    found.mysql.mkdir(parents=True)
    (found.mysql / "ibdata1").write_text("x")
    return found


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Keeping the last logs takes until it is set."""
    found = threading.Event()
    monkeypatch.setattr(discarding.errant, "keep", lambda *_: found.wait(WITHIN_S))
    yield found
    found.set()


def test_a_state_says_how_long_ago_the_loop_has_looked() -> None:
    board = Board()
    board.publish({"answers": True, "role": "primary"})
    assert board.read()["looked_ago_s"] == pytest.approx(0.0, abs=0.1)
    time.sleep(0.5)
    assert board.read(after=0, wait_s=0.1)["looked_ago_s"] == pytest.approx(0.5, abs=0.3)
    board.beat()
    assert board.read()["looked_ago_s"] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(("looked_ago_s", "is_heard"), [(None, True), (0.5, True), (SILENT_S, False), (60.0, False)])
def test_an_agent_that_answers_with_old_news_is_silent(looked_ago_s: float | None, is_heard: bool) -> None:
    state = {"process": "running", "answers": True, "role": "primary", "writable": True, "looked_ago_s": looked_ago_s}
    member = Member("orders-0", 0.0, state)
    assert (member.is_heard, member.is_writable) == (is_heard, is_heard)
    assert STUCK_S == SILENT_S


@pytest.mark.parametrize(("looked_ago_s", "code"), [(0.2, 200), (STUCK_S + 1, 503)])
def test_a_pod_is_not_ready_while_its_loop_hangs(place: Settings, looked_ago_s: float, code: int) -> None:
    board = Board()
    board.publish({"answers": True, "role": "primary"})
    board._looked = time.monotonic() - looked_ago_s
    request = Request()
    route = Api(place, cast("Loop", SimpleNamespace(board=board))).routes()[("GET", "/ready")]
    route.answer(cast("Handler", request))
    assert request.codes == [code]


class Request:
    def __init__(self) -> None:
        self.codes: list[int] = []

    def send(self, code: int, document: object) -> None:
        self.codes.append(code)


def test_data_are_given_up_beside_the_loop(place: Settings, gate: threading.Event) -> None:
    memory = Memory(place.memory)
    work = Discarding(place, memory)
    began = time.monotonic()
    work.see_to("errant-3")
    work.see_to("errant-3")
    assert time.monotonic() - began < 1.0
    assert work.is_busy
    assert place.mysql.exists()
    gate.set()
    ended(work)
    assert not place.mysql.exists()
    assert Memory(place.memory).reseeded == memory.reseeded == "errant-3"


def test_data_that_are_wanted_again_meanwhile_stay(place: Settings, gate: threading.Event) -> None:
    memory = Memory(place.memory)
    work = Discarding(place, memory)
    work.see_to("errant-3")
    work.give_up()
    gate.set()
    ended(work)
    assert place.mysql.exists()
    assert memory.reseeded == ""


def test_what_failed_is_said_and_tried_again(place: Settings, gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("no room")

    gate.set()
    memory = Memory(place.memory)
    work = Discarding(place, memory)
    with monkeypatch.context() as patched:
        patched.setattr(memory, "has_reseeded", fails)
        work.see_to("errant-3")
        ended(work)
        with pytest.raises(OSError, match="no room"):
            work.see_to("errant-3")
    work.see_to("errant-3")
    ended(work)
    assert memory.reseeded == "errant-3"


def test_logs_that_cannot_be_read_in_time_do_not_keep_data(place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "mariadb-binlog").write_text("#!/bin/sh\nexec sleep 30\n")
    (slow / "mariadb-binlog").chmod(0o755)
    (place.mysql / "binlog.000001").write_text("x")
    place.memory.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("PATH", f"{slow}:/usr/bin:/bin")
    monkeypatch.setattr(errant, "WITHIN_S", 0.5)
    began = time.monotonic()
    errant.keep(place, "errant-3")
    assert time.monotonic() - began < WITHIN_S


@pytest.mark.parametrize(("why", "said"), [("the volume is full", "the volume is full"), ("", "becoming read only: lock wait timeout")])
def test_a_step_that_fails_does_not_hide_why_it_is_taken(place: Settings, monkeypatch: pytest.MonkeyPatch, why: str, said: str) -> None:
    def refused(*_: object) -> None:
        raise Refused(1205, "lock wait timeout")

    monkeypatch.setattr(Carrier, "carry", refused)
    loop = Loop(replace(place, run=place.data / "run"), cast("Program", SimpleNamespace(digest="x")))
    step = Step(Do.CLOSE, "becoming read only", error=why)
    assert loop._carry(step, parsed(), cast("Seen", None), step.error) == (AGAIN_S, said)


def test_who_waits_for_news_hears_of_a_loop_that_begins_to_hang() -> None:
    board = Board()
    board.publish({"answers": True, "role": "primary"})
    board._looked = time.monotonic() - STUCK_S + 0.1
    began = time.monotonic()
    assert board.read(after=1, wait_s=WITHIN_S)["looked_ago_s"] >= STUCK_S
    assert time.monotonic() - began < WITHIN_S / 2
    again = time.monotonic()
    board.read(after=1, wait_s=0.2)
    assert time.monotonic() - again >= 0.2, "of one that hangs already nobody is told again and again"


def test_one_who_has_left_is_not_waited_for() -> None:
    board = Board()
    board.publish({"answers": True})
    board._looked = time.monotonic() - STUCK_S + 0.1
    asked = iter([False, True])
    board.beat = lambda: None  # type: ignore[method-assign]
    began = time.monotonic()
    board.read(after=1, wait_s=WITHIN_S, is_given_up=lambda: next(asked))
    assert time.monotonic() - began < WITHIN_S / 2


@pytest.mark.parametrize(
    ("before", "after", "is_news"),
    [
        ({"replication": {"lag_s": 1.0}}, {"replication": {"lag_s": 4.0}}, False),
        ({"replication": {"lag_s": 4.0}}, {"replication": {"lag_s": 6.0}}, True),
        ({"replication": {"lag_s": 6.0}}, {"replication": {"lag_s": None}}, True),
        ({"disk": {"size": 1000, "free": 990}}, {"disk": {"size": 1000, "free": 960}}, False),
        ({"disk": {"size": 1000, "free": 160}}, {"disk": {"size": 1000, "free": 140}}, True),
    ],
)
def test_a_lag_or_a_volume_that_changes_what_is_done_is_news(before: State, after: State, is_news: bool) -> None:
    board = Board()
    board.publish(before)
    first = board.read()["sequence"]
    board.publish(after)
    assert (board.read()["sequence"] != first) == is_news


def test_a_server_that_is_silent_is_silent_for_longer_while_the_loop_waits_for_it() -> None:
    board = Board()
    board.publish({"unanswered_s": 3.0})
    time.sleep(0.3)
    assert board.read()["unanswered_s"] == pytest.approx(3.3, abs=0.2)
    board.publish({"unanswered_s": 0.0})
    assert board.read()["unanswered_s"] == 0.0


def test_of_logs_that_are_too_long_the_end_is_kept(place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = tmp_path / "bin"
    reader.mkdir()
    (reader / "mariadb-binlog").write_text("#!/bin/sh\nseq 1000\n")
    (reader / "mariadb-binlog").chmod(0o755)
    (place.mysql / "binlog.000001").write_text("x")
    place.memory.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("PATH", f"{reader}:/usr/bin:/bin")
    monkeypatch.setattr(errant, "MOST_BYTES", 600)
    errant.keep(place, "errant-3")
    kept = [(place.memory / "errant" / f"errant-3{part}.sql").read_text() for part in (".earlier", "")]
    assert sum(map(len, kept)) <= 600
    assert "".join(kept).endswith("999\n1000\n")
    assert len("".join(kept)) >= 300


@pytest.mark.parametrize(("graceful", "led", "truncates"), [(False, 1, True), (True, 1, False), (False, 0, False), (False, 2, False)])
def test_only_data_of_a_primary_that_was_replaced_take_back_what_was_not_acknowledged(*, graceful: bool, led: int, truncates: bool) -> None:
    """One that has handed over has nothing but what it has handed over."""
    order = parsed(role="replica", term=2, source={"host": "a", "port": 1}, replication={"user": "r", "password": "p"}, graceful=graceful)
    assert configuration.truncates(order, led) is truncates


def test_between_looks_the_loop_sees_that_the_volume_fills_and_does_not_count_as_stuck(
    place: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop(replace(place, run=place.data / "run"), cast("Program", SimpleNamespace(digest="x")))
    loop.board._looked = time.monotonic() - STUCK_S
    loop._rest(1.5 * GLANCE_S)
    assert loop.board.read()["looked_ago_s"] < STUCK_S / 2
    monkeypatch.setattr(disk, "measure", lambda folder: disk.Disk(1 << 30, 1 << 20))
    began = time.monotonic()
    loop._rest(WITHIN_S)
    assert time.monotonic() - began < WITHIN_S / 2
