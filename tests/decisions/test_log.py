import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pilothouse.decisions.log import DecisionLog, Ref, read_decisions

A, B = Ref("Pod", "default", "a", "uid-a"), Ref("Pod", "default", "b", "uid-b")


@pytest.fixture(params=["file", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DecisionLog]:
    with DecisionLog(tmp_path / "decisions.db" if request.param == "file" else ":memory:") as opened:
        yield opened


async def test_what_is_recorded_is_found_at_once(log: DecisionLog) -> None:
    log.record(A, "scheduler", "FailedScheduling", "0/1 nodes are available", {"nodes": 1, "filters": {"cpu": 1}})
    (found,) = await log.query("Pod", "default", "a")
    assert (found.about, found.part, found.reason, found.message) == (A, "scheduler", "FailedScheduling", "0/1 nodes are available")
    assert found.facts == {"nodes": 1, "filters": {"cpu": 1}}
    assert (found.count, found.first) == (1, found.last)


async def test_equal_decisions_in_a_row_are_one_with_a_count(log: DecisionLog) -> None:
    for number in range(3):
        log.record(A, "scheduler", "FailedScheduling", "no node", {"try": number})
        log.record(A, "quota", "Refused", "too much")
    await log.flush()
    log.record(A, "scheduler", "FailedScheduling", "no node", {"try": 3})
    scheduler, quota = sorted(await log.query(name="a"), key=lambda decision: decision.part, reverse=True)
    assert (scheduler.count, scheduler.facts) == (4, {"try": 3})
    assert scheduler.last > scheduler.first
    assert quota.count == 3


async def test_a_decision_between_two_equal_ones_keeps_them_apart(log: DecisionLog) -> None:
    for reason in ("Failed", "Scheduled", "Failed"):
        log.record(A, "scheduler", reason, "")
    assert [decision.reason for decision in await log.query()] == ["Failed", "Scheduled", "Failed"]


async def test_a_query_takes_the_newest_oldest_first(log: DecisionLog) -> None:
    for number in range(5):
        log.record(A, "node", f"R{number}", "")
        log.record(B, "node", f"R{number}", "")
    found = await log.query("Pod", "default", "b", limit=2)
    assert [decision.reason for decision in found] == ["R3", "R4"]
    assert await log.query(since=found[-1].last + 60) == []
    assert len(await log.query(namespace="default")) == 10
    assert await log.query("Job") == []


async def test_facts_that_are_not_json_are_refused_where_they_are_said(log: DecisionLog) -> None:
    with pytest.raises(TypeError):
        log.record(A, "node", "R", "", {"set": {1}})


async def test_it_is_bounded_in_rows(tmp_path: Path) -> None:
    with DecisionLog(tmp_path / "d.db", max_rows=100) as log:
        for number in range(1000):
            log.record(A, "node", "R", str(number))
            if number % 50 == 0:
                await log.flush()
        found = await log.query(limit=10_000)
    assert found[-1].message == "999"
    assert 50 <= len(found) <= 150


async def test_it_is_bounded_in_bytes(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    with DecisionLog(path, max_bytes=1 << 20) as log:
        for number in range(4000):
            log.record(A, "node", "R", f"{number}{'x' * 1000}")
            if number % 200 == 0:
                await log.flush()
    assert path.stat().st_size < 2 << 20


async def test_another_process_reads_while_this_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    with DecisionLog(path) as log:
        log.record(A, "node", "R", "m")
        await log.flush()
        assert [decision.about for decision in read_decisions(path, "Pod", "default", "a")] == [A]
    assert len(read_decisions(path)) == 1


async def test_a_closed_log_has_written_everything_and_goes_on_when_opened_again(tmp_path: Path) -> None:
    for _ in range(2):
        with DecisionLog(tmp_path / "d.db") as log:
            log.record(A, "node", "R", "m")
    (found,) = read_decisions(tmp_path / "d.db")
    assert found.count == 2


def test_reading_a_log_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_decisions(tmp_path / "absent.db")


async def test_a_corrupt_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    path.write_bytes(b"not a database at all" * 1000)
    with DecisionLog(path) as log:
        log.record(A, "node", "R", "m")
        assert len(await log.query()) == 1
    assert path.with_name("d.db.corrupt").exists()


async def test_a_disk_that_takes_nothing_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    with DecisionLog(path) as log:
        await log.flush()
        thief = sqlite3.connect(path)
        thief.execute("DROP TABLE decisions")
        thief.commit()
        log.record(A, "node", "R", "lost")
        await log.flush()
        assert log.dropped == 1
        thief.close()


async def test_more_than_the_queue_holds_drops_the_oldest(log: DecisionLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.decisions.log.PENDING_LIMIT", 10)
    for number in range(1000):
        log.record(A, "node", "R", str(number))
    found = await log.query(limit=1000)
    assert found[-1].message == "999"
    assert len(found) + log.dropped == 1000


async def test_two_processes_write_to_one_log(tmp_path: Path) -> None:
    """Two logs stand for them: each has a connection and a thread of its own."""
    path = tmp_path / "decisions.db"
    about = Ref("Pod", "default", "p")
    with DecisionLog(path) as one, DecisionLog(path) as other:
        for number in range(300):
            one.record(about, "scheduler", "Waits", f"round {number}")
            other.record(about, "kubelet", "Pulls", f"round {number}")
            if number % 20 == 0:
                await asyncio.gather(one.flush(), other.flush())
        await asyncio.gather(one.flush(), other.flush())
        assert (one.dropped, other.dropped) == (0, 0)
    assert len(read_decisions(path)) == 600


async def test_a_record_that_another_process_has_trimmed_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    about = Ref("Pod", "default", "p")
    with DecisionLog(path) as one, DecisionLog(path, max_rows=5) as other:
        one.record(about, "scheduler", "Waits", "same")
        await one.flush()
        for number in range(20):
            other.record(about, "kubelet", "Pulls", f"round {number}")
            await other.flush()
        one.record(about, "scheduler", "Waits", "same")
        await one.flush()
    assert "Waits" in {decision.reason for decision in read_decisions(path)}


async def test_text_that_is_no_utf8_is_recorded_all_the_same_and_stops_nothing(log: DecisionLog) -> None:
    log.record(Ref("Build", "default", "b\udcff"), "builds", "Failed", "no such file: \udcffapp.py", {"file": "\udcff", "line": 3})
    log.record(A, "scheduler", "Scheduled", "fine")
    async with asyncio.timeout(5):
        odd, fine = await log.query()
    assert (odd.about.name, odd.message, fine.message) == ("b?", "no such file: ?app.py", "fine")
    assert odd.facts == {"file": "?", "line": 3}


async def test_a_question_that_fails_tells_its_asker_and_leaves_the_log_working(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    with DecisionLog(path) as log:
        log.record(A, "scheduler", "Scheduled", "fine")
        await log.flush()
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("UPDATE decisions SET facts = '{'")
        async with asyncio.timeout(5):
            with pytest.raises(ValueError, match=r"JSON|end of data|unexpected"):
                await log.query()
            await log.flush()


async def test_nobody_else_reads_it_nor_what_an_earlier_version_left_open(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    for _ in range(2):
        with DecisionLog(path) as log:
            log.record(A, "kubelet", "Started", "secret words")
            await log.query("Pod", "default", "a")
            modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
            assert modes == {"decisions.db": 0o600, "decisions.db-wal": 0o600, "decisions.db-shm": 0o600}
        path.chmod(0o644)
