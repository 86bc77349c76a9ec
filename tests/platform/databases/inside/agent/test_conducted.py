"""Three servers led by the operator's decisions, under load, as real processes: nothing acknowledged is lost, whoever is killed."""

import threading
import time
from collections.abc import Iterator

import pymysql
import pytest

from tests.platform.databases.conductor import Conductor
from tests.platform.databases.inside.agent.test_replication import eventually, ids
from tests.platform.databases.lab import FLAVOURS, Lab, Member

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


class Writer(threading.Thread):
    """Inserts one number after the other at the primary; remembers what was acknowledged, and when."""

    def __init__(self, conductor: Conductor, first: int) -> None:
        super().__init__(daemon=True)
        self._conductor = conductor
        self._next = first
        self.acknowledged: dict[int, float] = {}
        self.is_over = threading.Event()

    def run(self) -> None:
        while not self.is_over.is_set():
            member = self._conductor.member()
            try:
                if member is not None:
                    self._write(member)
            except (pymysql.Error, OSError):
                pass
            time.sleep(0.01)

    def _write(self, member: Member) -> None:
        with member.connected(read_timeout=5, connect_timeout=2) as connection, connection.cursor() as cursor:
            while not self.is_over.is_set():
                self._next += 1
                cursor.execute("INSERT INTO t VALUES (%s)", (self._next,))
                self.acknowledged[self._next] = time.monotonic()
                time.sleep(0.005)


@pytest.fixture(params=FLAVOURS)
def conductor(request: pytest.FixtureRequest) -> Iterator[Conductor]:
    lab = Lab(3, request.param)
    lab.start()
    conductor = Conductor(lab)
    conductor.start()
    eventually(lambda: conductor.status.get("durable") and conductor.member() is not None, 180)
    member = conductor.member()
    assert member is not None
    member.until(lambda state: state["applied"])
    member.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    eventually(lambda: len(conductor.status["acknowledging"]) == 2, 60)
    settled(conductor)
    yield conductor
    conductor.close()
    lab.close()


def written(conductor: Conductor, since: float, writers: list[Writer], within_s: float = 30) -> float:
    """Seconds from then until the next acknowledged write."""

    def times() -> list[float]:
        return [at - since for writer in writers for at in list(writer.acknowledged.values()) if at > since]

    eventually(times, within_s)
    return min(times())


def settled(conductor: Conductor) -> None:
    def all_follow() -> bool:
        states = [member.state() for member in conductor.lab.members]
        return sum(bool((each["replication"] or {}).get("io")) for each in states) == 2 and bool(conductor.status.get("durable"))

    try:
        eventually(all_follow, 120)
    except AssertionError as error:
        seen = [f"{member.name}: {member.state()}\n{member.log()}" for member in conductor.lab.members]
        raise AssertionError("\n".join([str(conductor.status), *seen])) from error


def same(conductor: Conductor, writers: list[Writer]) -> None:
    """All members have the same, and all that was acknowledged."""
    for writer in writers:
        writer.is_over.set()
        writer.join(30)
    settled(conductor)
    primary = conductor.member()
    assert primary is not None
    rows = ids(primary)
    lost = {id for writer in writers for id in writer.acknowledged} - set(rows)
    assert not lost
    for member in conductor.lab.members:
        eventually(lambda member=member: ids(member) == rows)


def test_a_primary_is_killed_again_and_again_under_load(conductor: Conductor) -> None:
    writers = [Writer(conductor, first) for first in (0, 1_000_000, 2_000_000)]
    for writer in writers:
        writer.start()
    for _ in range(4):
        written(conductor, time.monotonic(), writers)
        primary = conductor.member()
        assert primary is not None
        killed = time.monotonic()
        primary.kill_server()
        took = written(conductor, killed + 0.05, writers)
        assert took < 20, "a write came back, however busy the machine is"
        settled(conductor)
    same(conductor, writers)


def test_all_members_die_together_under_load(conductor: Conductor) -> None:
    writers = [Writer(conductor, first) for first in (0, 1_000_000)]
    for writer in writers:
        writer.start()
    written(conductor, time.monotonic(), writers)
    for member in conductor.lab.members:
        member.crash()
    for member in conductor.lab.members:
        member.start()
    written(conductor, time.monotonic(), writers, 60)
    same(conductor, writers)


def test_a_switchover_under_load_loses_nothing_and_ends_no_server(conductor: Conductor) -> None:
    writers = [Writer(conductor, first) for first in (0, 1_000_000)]
    for writer in writers:
        writer.start()
    written(conductor, time.monotonic(), writers)
    before, pids = conductor.primary, [member.server_pid for member in conductor.lab.members]
    conductor.spec = conductor.spec | {"switchover": {"at": "2026-01-01T00:00:00Z"}}
    eventually(lambda: conductor.primary not in ("", before), 30)
    written(conductor, time.monotonic(), writers)
    same(conductor, writers)
    assert [member.server_pid for member in conductor.lab.members] == pids
