"""The archive of a real server's log, and restores to points in it."""

import contextlib
import json
import random
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.platform.databases.inside.archive.contents import Archive
from pilothouse.platform.databases.inside.archive.merges import FAN
from pilothouse.platform.databases.inside.store.volume import VolumeStore
from tests.platform.databases.inside import servers
from tests.platform.databases.inside.jobs import KEYS, Jobs
from tests.platform.databases.inside.servers import FakeAgent, Server, as_user, free_port, own_folder

ARCHIVE = "orders-uid-1/archive"


@pytest.fixture(scope="module", autouse=True)
def _filled(orders: Server) -> None:
    orders.sql("CREATE DATABASE bank", "CREATE TABLE bank.moves (id INT PRIMARY KEY AUTO_INCREMENT, amount INT, at TIMESTAMP(6))")


class Archiving:
    """The archive's program, following a server."""

    def __init__(self, jobs: Jobs, server: Server, **told: str) -> None:
        self.jobs, self.port, self._server, self._told = jobs, free_port(), server, told
        self.start()

    def start(self) -> None:
        self.process = self.jobs.start(
            "archive",
            ARCHIVE=ARCHIVE,
            PRIMARY_HOST="localhost",
            PRIMARY_PORT="0",
            SOCKET=str(self._server.socket),
            USER=servers.user(),
            STATUS_PORT=str(self.port),
            STATUS_HOST="127.0.0.1",
            **self._told,
        )

    def follow(self, server: Server) -> None:
        self.kill()
        self._server = server
        self.start()

    def kill(self) -> None:
        self.jobs.kill(self.process)

    def state(self) -> dict[str, Any]:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/state", timeout=2) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
        return {"position": "", "until_us": 0, "reason": ""}

    def until(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + 30
        while not is_so(state := self.state()):
            assert time.monotonic() < end, state
            time.sleep(0.05)
        return state

    def wait_for(self, gtid: str) -> float:
        """Seconds until that is in the store."""
        began = time.monotonic()
        while self.state()["position"] != gtid:
            assert time.monotonic() - began < 20, self.state()
            assert self.process.poll() is None
            time.sleep(0.02)
        return time.monotonic() - began


@contextlib.contextmanager
def archiving(jobs: Jobs, server: Server, **told: str) -> Iterator[Archiving]:
    running = Archiving(jobs, server, **told)
    try:
        yield running
    finally:
        running.kill()


@contextlib.contextmanager
def seeded(agent: FakeAgent, folder: Path) -> Iterator[Server]:
    """A server on what the member was given."""
    data = own_folder(folder / "data")
    with open(agent.seeded, "rb") as copy:
        command = f"zstd -dqc | mbstream -x -C {data} && mariadb-backup --prepare --target-dir={data} 2>/dev/null"
        subprocess.run(["bash", "-o", "pipefail", "-c", command], stdin=copy, check=True, **as_user())
    with servers.server(folder, data=data, server_id=9) as running:
        yield running
    shutil.rmtree(folder)


def moves(server: Server) -> list[int]:
    return [row[0] for row in server.sql("SELECT id FROM bank.moves ORDER BY id")]


def position(server: Server) -> str:
    return str(server.sql("SELECT @@gtid_binlog_pos")[0][0])


def restored(jobs: Jobs, agent: FakeAgent, folder: Path, **told: str) -> tuple[list[int], str]:
    ended = jobs.run("restore", ARCHIVE=ARCHIVE, SEED="seed-1", **told)
    assert ended.code == 0, ended.log
    with seeded(agent, folder) as server:
        return moves(server), str(ended.told["gtid"])


def test_points_between_transactions_are_restored_exactly(jobs: Jobs, orders: Server, agent: FakeAgent, place: Path) -> None:
    """By the transaction, also where several share a second, and by the time, where some tenths of a second lie between."""
    orders.sql("INSERT INTO bank.moves (amount) VALUES (1)")
    assert jobs.run("backup").code == 0
    points: list[tuple[dict[str, str], list[int]]] = []
    with archiving(jobs, orders) as archive:
        archive.wait_for(position(orders))
        for number in range(12):
            orders.sql("INSERT INTO bank.moves (amount) VALUES (2)")
            if number % 4 == 3:
                orders.sql(
                    "START TRANSACTION", "INSERT INTO bank.moves (amount) VALUES (3), (4)", "DELETE FROM bank.moves WHERE id = 1", "COMMIT"
                )
                orders.sql(f"CREATE TABLE bank.t{number} (a INT)")
            points.append(({"GTID": position(orders)}, moves(orders)))
        for _ in range(3):
            time.sleep(0.3)
            now = time.time_ns() // 1000
            points.append(({"TIME": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now // 10**6))}.{now % 10**6:06d}Z"}, moves(orders)))
            time.sleep(0.3)
            orders.sql("INSERT INTO bank.moves (amount) VALUES (5)")
        archive.wait_for(position(orders))
    for number, (told, expected) in enumerate(random.Random(4).sample(points[:12], 2) + points[12:]):
        found, gtid = restored(jobs, agent, place / f"point-{number}", **told)
        assert found == expected, told
        assert gtid == told.get("GTID", gtid)


@pytest.mark.slow
def test_without_a_point_the_backup_is_restored_as_it_is(jobs: Jobs, orders: Server, agent: FakeAgent, place: Path) -> None:
    for method in ("physical", "logical"):
        assert jobs.run("backup", METHOD=method).code == 0
        before = moves(orders)
        orders.sql("INSERT INTO bank.moves (amount) VALUES (6)")
        assert restored(jobs, agent, place / f"as-it-is-{method}")[0] == before


@pytest.mark.slow
def test_a_time_outside_of_the_logs_is_refused_with_the_range(jobs: Jobs, orders: Server) -> None:
    assert jobs.run("backup").code == 0
    with archiving(jobs, orders) as archive:
        archive.wait_for(position(orders))
        orders.sql("INSERT INTO bank.moves (amount) VALUES (7)")
        archive.wait_for(position(orders))
    late = jobs.run("restore", ARCHIVE=ARCHIVE, SEED="seed-1", TIME="2099-01-01T00:00:00Z")
    assert (late.code, late.told["reason"]) == (3, "OutsideLogs")
    assert "can be restored" in late.told["message"]
    never = jobs.run("restore", ARCHIVE=ARCHIVE, SEED="seed-1", GTID="0-1-99999")
    assert never.told["reason"] == "OutsideLogs"
    assert jobs.run("restore", ARCHIVE=ARCHIVE, SEED="seed-1", GTID="first").told["reason"] == "NoSuchPoint"


@pytest.mark.slow
def test_an_archive_that_is_killed_goes_on_where_it_was(jobs: Jobs, orders: Server, agent: FakeAgent, place: Path) -> None:
    assert jobs.run("backup").code == 0
    with archiving(jobs, orders) as archive:
        for _ in range(3):
            orders.sql(*["INSERT INTO bank.moves (amount) VALUES (8)"] * 20)
            archive.kill()
            orders.sql("INSERT INTO bank.moves (amount) VALUES (9)")
            archive.start()
        archive.wait_for(position(orders))
    assert restored(jobs, agent, place / "killed", GTID=position(orders))[0] == moves(orders)


def test_a_transaction_is_in_the_store_within_a_second(jobs: Jobs, orders: Server) -> None:
    with archiving(jobs, orders) as archive:
        archive.wait_for(position(orders))
        waits = []
        for _ in range(5):
            orders.sql("INSERT INTO bank.moves (amount) VALUES (10)")
            waits.append(archive.wait_for(position(orders)))
    assert max(waits) < 1.0, waits


@pytest.mark.slow
def test_what_a_new_primary_lacks_is_left_out(jobs: Jobs, orders: Server, place: Path) -> None:
    """Its predecessor wrote it into its log and failed before a replica had it."""
    assert jobs.run("backup").code == 0
    with archiving(jobs, orders) as archive:
        orders.sql("INSERT INTO bank.moves (amount) VALUES (11)")
        common = position(orders)
        archive.wait_for(common)
        orders.sql("INSERT INTO bank.moves (amount) VALUES (12)")
        archive.wait_for(position(orders))
        with servers.server(place / "successor", server_id=2) as successor:
            successor.sql("SET GLOBAL gtid_strict_mode = 0", f"SET GLOBAL gtid_binlog_state = '{common}'", "CREATE DATABASE bank")
            archive.follow(successor)
            archive.wait_for(position(successor))
            assert archive.state()["reason"] == ""
            end = position(successor)
    groups = _archived(jobs)
    assert end in groups
    assert position(orders) not in groups


@pytest.mark.slow
def test_a_log_that_the_server_had_to_remove_leaves_a_gap_that_is_told(jobs: Jobs, orders: Server, agent: FakeAgent, place: Path) -> None:
    """The archive is away meanwhile. What the server still has is archived afterwards, and a backup goes on from there."""
    assert jobs.run("backup").code == 0
    with archiving(jobs, orders) as archive:
        orders.sql("INSERT INTO bank.moves (amount) VALUES (13)")
        before, held = position(orders), moves(orders)
        archive.wait_for(before)
        archive.kill()
        orders.sql("INSERT INTO bank.moves (amount) VALUES (14)", "FLUSH BINARY LOGS")
        lost = position(orders)
        orders.sql("INSERT INTO bank.moves (amount) VALUES (15)", "FLUSH BINARY LOGS")
        kept = orders.sql("SHOW BINARY LOGS")[-2][0]
        orders.sql(f"PURGE BINARY LOGS TO '{kept}'")
        archive.start()
        archive.wait_for(position(orders))
        assert (archive.state()["gap_after"], archive.state()["gap_until"]) == (before, lost)
        assert position(orders) in _archived(jobs)
        archive.kill()
        archive.start()
        archive.wait_for(position(orders))
        assert archive.state()["gap_until"] == lost
        refused = jobs.run("restore", ARCHIVE=ARCHIVE, SEED="seed-1", GTID=position(orders))
        assert refused.told["reason"] == "OutsideLogs"
        assert "there is a gap behind that" in refused.told["message"]
        assert restored(jobs, agent, place / "before-the-gap", GTID=before)[0] == held


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_segments_of_a_busy_server_are_merged_and_restored_exactly(jobs: Jobs, orders: Server, agent: FakeAgent, place: Path) -> None:
    assert jobs.run("backup").code == 0
    with archiving(jobs, orders) as archive:
        archive.wait_for(position(orders))
        points = []
        for number in range(FAN + 10):
            orders.sql(f"INSERT INTO bank.moves (amount) VALUES ({number})")
            points.append(({"GTID": position(orders)}, moves(orders)))
            archive.wait_for(position(orders))
        stored = Archive(VolumeStore(jobs.store), KEYS, ARCHIVE)
        archive.until(lambda state: len(stored.stored()) < FAN)
    for number in (20, FAN + 5):
        told, expected = points[number]
        assert restored(jobs, agent, place / f"merged-{number}", **told)[0] == expected


def _archived(jobs: Jobs) -> list[str]:
    archive = Archive(VolumeStore(jobs.store), KEYS, ARCHIVE)
    return [group.gtid for run in archive.runs() for link in run for _, groups in archive.sections(link) for group in groups]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_random_points_of_a_busy_server_are_exact(jobs: Jobs, orders: Server, agent: FakeAgent, place: Path) -> None:
    """Ten transactions of a load, by their numbers, and ten times at which no transaction was under way."""
    assert jobs.run("backup").code == 0
    chance, points = random.Random(16), list[tuple[dict[str, str], list[int]]]()
    with archiving(jobs, orders) as archive:
        archive.wait_for(position(orders))
        for _ in range(60):
            for _ in range(chance.randrange(1, 8)):
                orders.sql(f"INSERT INTO bank.moves (amount) VALUES ({chance.randrange(100)}), (1)")
            points.append(({"GTID": position(orders)}, moves(orders)))
            time.sleep(0.05 + chance.random() / 10)
            now = time.time_ns() // 1000
            points.append(({"TIME": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now // 10**6))}.{now % 10**6:06d}Z"}, moves(orders)))
            time.sleep(0.05)
        archive.wait_for(position(orders))
    for number, (told, expected) in enumerate([*chance.sample(points[::2], 10), *chance.sample(points[1::2], 10)]):
        assert restored(jobs, agent, place / f"random-{number}", **told)[0] == expected, told
