"""Backups of a real MySQL server, its archive, and restores to points in it: what `test_backup` and `test_restore` show of MariaDB."""

import contextlib
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platform.databases.inside.jobs import LOCATION, remove_program
from tests.platform.databases.inside.mysql.root import MySQLAgent, MySQLJobs, MySQLServer, needs_mysql, unpacked
from tests.platform.databases.inside.servers import own_folder, user
from tests.platform.databases.inside.test_restore import ARCHIVE, Archiving, archiving, moves

pytestmark = [needs_mysql, pytest.mark.slow, pytest.mark.timeout(900)]


_MANY = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)"


@pytest.fixture(scope="module")
def orders(place: Path) -> Iterator[MySQLServer]:
    running = MySQLServer(own_folder(place / "server"))
    try:
        running.sql(
            "CREATE DATABASE bank",
            "CREATE TABLE bank.moves (id INT PRIMARY KEY AUTO_INCREMENT, amount INT, at TIMESTAMP(6) NULL)",
            "CREATE TABLE bank.noise (id INT PRIMARY KEY, bytes VARBINARY(1000))",
            f"INSERT INTO bank.noise {_MANY} SELECT i, RANDOM_BYTES(900) FROM n",
            "CREATE USER app IDENTIFIED BY 'secret'",
            f"CREATE USER '{user()}'@localhost",
            f"GRANT REPLICATION SLAVE ON *.* TO '{user()}'@localhost",
        )
        yield running
    finally:
        running.kill()
        remove_program()


@pytest.fixture
def agent(place: Path, orders: MySQLServer) -> Iterator[MySQLAgent]:
    running = MySQLAgent(own_folder(place / "agent"), orders)
    yield running
    running.close()


@pytest.fixture
def jobs(place: Path, agent: MySQLAgent) -> MySQLJobs:
    return MySQLJobs(Path(tempfile.mkdtemp(dir=place)), agent)


@contextlib.contextmanager
def archived(jobs: MySQLJobs, orders: MySQLServer) -> Iterator[Archiving]:
    with archiving(jobs, orders) as archive:
        archive.wait_for(orders.position())
        yield archive


def restored(jobs: MySQLJobs, agent: MySQLAgent, folder: Path, **told: str) -> tuple[list[int], str]:
    ended = jobs.run("restore", ARCHIVE=ARCHIVE, SEED="seed-1", **told)
    assert ended.code == 0, ended.log
    running = MySQLServer(folder, data=unpacked(agent.seeded, folder), server_id=9)
    try:
        return moves(running), running.position()
    finally:
        running.kill()
        shutil.rmtree(folder)


def now() -> str:
    us = time.time_ns() // 1000
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(us // 10**6))}.{us % 10**6:06d}Z"


@pytest.mark.parametrize("method", ["physical", "logical"])
def test_a_backup_restores_to_what_the_server_held(
    jobs: MySQLJobs, orders: MySQLServer, agent: MySQLAgent, place: Path, method: str
) -> None:
    made = jobs.run("backup", METHOD=method)
    assert (made.code, made.told["reason"]) == (0, ""), made.log
    assert made.told["gtid"] == orders.position()
    assert made.told["version"].startswith("8.")
    checked = jobs.run("verify")
    assert (checked.code, checked.told.get("rows")) == (0, made.told["rows"]), checked.log
    before = moves(orders)
    orders.sql("INSERT INTO bank.moves (amount) VALUES (6)")
    assert restored(jobs, agent, place / f"as-it-is-{method}") == (before, made.told["gtid"])


def test_a_byte_changed_in_the_store_is_found(jobs: MySQLJobs) -> None:
    assert jobs.run("backup").code == 0
    data = bytearray((jobs.store / LOCATION / "data").read_bytes())
    data[len(data) // 2] ^= 1
    (jobs.store / LOCATION / "data").write_bytes(data)
    assert jobs.run("verify").told["reason"] == "Corrupted"


def test_random_points_of_a_busy_server_are_exact(jobs: MySQLJobs, orders: MySQLServer, agent: MySQLAgent, place: Path) -> None:
    """By the transaction and by the time; rows, statements that define tables, and a transaction that the log compresses."""
    for method, count in (("physical", 6), ("logical", 2)):
        assert jobs.run("backup", METHOD=method).code == 0
        chance, points = random.Random(8), list[tuple[dict[str, str], list[int]]]()
        with archived(jobs, orders) as archive:
            for number in range(30):
                for _ in range(chance.randrange(1, 5)):
                    orders.sql(
                        f"SET SESSION binlog_transaction_compression = {number % 2}",
                        "START TRANSACTION",
                        f"INSERT INTO bank.moves (amount) VALUES ({chance.randrange(100)}), (1)",
                        "DELETE FROM bank.moves WHERE amount = 13",
                        "COMMIT",
                    )
                if number % 7 == 3:
                    orders.sql(f"CREATE TABLE bank.{method}{number} (a INT)")
                points.append(({"GTID": _last(orders)}, moves(orders)))
                time.sleep(0.05)
                points.append(({"TIME": now()}, moves(orders)))
                time.sleep(0.05)
            archive.wait_for(orders.position())
        chosen = [*chance.sample(points[:-1:2], count // 2), *chance.sample(points[1:-1:2], count // 2)]
        for number, (told, expected) in enumerate(chosen):
            assert restored(jobs, agent, place / f"{method}-{number}", **told)[0] == expected, told


def test_a_point_outside_of_the_logs_is_refused_with_the_range(jobs: MySQLJobs, orders: MySQLServer) -> None:
    assert jobs.run("backup").code == 0
    with archived(jobs, orders) as archive:
        orders.sql("INSERT INTO bank.moves (amount) VALUES (7)")
        archive.wait_for(orders.position())
    late = jobs.run("restore", ARCHIVE=ARCHIVE, SEED="seed-1", TIME="2099-01-01T00:00:00Z")
    assert (late.code, late.told["reason"]) == (3, "OutsideLogs")
    assert "can be restored" in late.told["message"]
    server = orders.position().partition(":")[0]
    assert jobs.run("restore", ARCHIVE=ARCHIVE, SEED="seed-1", GTID=f"{server}:99999").told["reason"] == "OutsideLogs"


def test_a_corrupted_segment_is_told(jobs: MySQLJobs, orders: MySQLServer) -> None:
    assert jobs.run("backup").code == 0
    with archived(jobs, orders) as archive:
        orders.sql("INSERT INTO bank.moves (amount) VALUES (8)")
        archive.wait_for(orders.position())
    segment = max(path for path in (jobs.store / ARCHIVE).rglob("*") if path.is_file())
    segment.write_bytes(segment.read_bytes()[:-1])
    assert jobs.run("restore", ARCHIVE=ARCHIVE, SEED="seed-1", GTID=_last(orders)).told["reason"] == "Corrupted"


def test_what_the_server_had_to_remove_leaves_a_gap(jobs: MySQLJobs, orders: MySQLServer) -> None:
    assert jobs.run("backup").code == 0
    with archived(jobs, orders) as archive:
        before = orders.position()
        archive.kill()
        orders.sql("INSERT INTO bank.moves (amount) VALUES (14)", "FLUSH BINARY LOGS")
        lost = orders.position()
        orders.sql("INSERT INTO bank.moves (amount) VALUES (15)")
        orders.sql(f"PURGE BINARY LOGS TO '{orders.sql('SHOW BINARY LOGS')[-1][0]}'")
        archive.start()
        archive.wait_for(orders.position())
        assert (archive.state()["gap_after"], archive.state()["gap_until"]) == (before, lost)


def _last(orders: MySQLServer) -> str:
    """The last transaction of the one server that has written."""
    server, _, ranges = orders.position().partition(":")
    return f"{server}:{ranges.rpartition('-')[2]}"
