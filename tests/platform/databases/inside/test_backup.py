"""A backup of a real server into a store on a volume, and what its verification finds."""

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.platform.databases.inside import servers
from tests.platform.databases.inside.jobs import LOCATION, Jobs
from tests.platform.databases.inside.servers import FakeAgent, Server
from tests.platform.databases.inside.store import service as services
from tests.platform.databases.inside.store.contract import get, names, put


@pytest.fixture(scope="module", autouse=True)
def _filled(orders: Server) -> None:
    orders.sql(
        "CREATE DATABASE shop",
        "USE shop",
        "CREATE TABLE shop.items (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80), at TIMESTAMP DEFAULT NOW())",
        "CREATE TABLE shop.`odd``name` (a INT)",
        "INSERT INTO shop.items (name) SELECT CONCAT('item ', seq) FROM seq_1_to_5000",
        "CREATE TABLE shop.noise (id INT PRIMARY KEY, bytes VARBINARY(1000))",
        "INSERT INTO shop.noise SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_2000",
        "CREATE USER app IDENTIFIED BY 'secret'",
    )


@pytest.mark.parametrize("method", ["physical", "logical"])
def test_a_backup_restores_to_what_the_server_held(jobs: Jobs, orders: Server, method: str) -> None:
    made = jobs.run("backup", METHOD=method)
    assert (made.code, made.told["reason"]) == (0, ""), made.log
    assert made.told["gtid"] == orders.sql("SELECT @@gtid_binlog_pos")[0][0]
    assert made.told["rows"] >= 5000
    checked = jobs.run("verify")
    assert (checked.code, checked.told.get("rows")) == (0, made.told["rows"]), checked.log


def test_nothing_of_a_backup_lies_in_the_clear(jobs: Jobs) -> None:
    assert jobs.run("backup").code == 0
    for path in _files(jobs.store):
        data = path.read_bytes()
        assert b"item 42" not in data
        assert b"ibdata1" not in data
        assert b"\x28\xb5\x2f\xfd" not in data[:200]


def test_a_byte_changed_in_the_store_is_found(jobs: Jobs) -> None:
    assert jobs.run("backup").code == 0
    data = bytearray((jobs.store / LOCATION / "data").read_bytes())
    data[len(data) // 2] ^= 1
    (jobs.store / LOCATION / "data").write_bytes(data)
    found = jobs.run("verify")
    assert (found.code, found.told["reason"]) == (3, "Corrupted")
    assert "has been changed or cut off" in found.told["message"]


def test_a_backup_that_was_cut_off_at_a_chunk_is_found(jobs: Jobs) -> None:
    assert jobs.run("backup").code == 0
    path = jobs.store / LOCATION / "data"
    path.write_bytes(path.read_bytes()[: 18 + 32 + (1 << 20) + 16])
    assert jobs.run("verify").told["reason"] == "Corrupted"


def test_a_backup_whose_manifest_is_gone_does_not_exist(jobs: Jobs) -> None:
    assert jobs.run("backup").code == 0
    (jobs.store / LOCATION / "manifest").unlink()
    assert jobs.run("verify").told["reason"] == "Missing"


def test_a_copy_that_breaks_off_leaves_nothing_in_the_store(jobs: Jobs, agent: FakeAgent) -> None:
    agent.cut_after = 300_000
    ended = jobs.run("backup")
    assert (ended.code, ended.told["reason"]) == (1, "MemberUnreachable")
    assert _files(jobs.store) == []


def test_what_a_killed_backup_left_goes_with_the_next_attempt(jobs: Jobs) -> None:
    process = jobs.start("backup")
    while not _files(jobs.store):
        assert process.poll() is None
    jobs.kill(process)
    assert jobs.run("backup").code == 0
    assert sorted(path.name for path in _files(jobs.store)) == ["data", "manifest"]


def _files(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if path.is_file()]


def test_a_store_that_is_full_in_the_middle_keeps_nothing_half_made(jobs: Jobs) -> None:
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "store", str(jobs.store)], check=True)
    try:
        ended = jobs.run("backup")
        assert (ended.code, ended.told["reason"]) == (3, "StoreFull"), ended.log
        assert _files(jobs.store) == []
    finally:
        subprocess.run(["umount", str(jobs.store)], check=True)


def test_a_scratch_volume_that_is_too_small_is_told(jobs: Jobs) -> None:
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    scratch = servers.own_folder(jobs.folder / "scratch-backup")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=777", "scratch", str(scratch)], check=True)
    try:
        ended = jobs.run("backup")
        assert (ended.code, ended.told["reason"]) == (3, "NoRoom"), ended.log
        assert _files(jobs.store) == []
    finally:
        subprocess.run(["umount", str(scratch)], check=True)


def test_what_is_forgotten_leaves_nothing(jobs: Jobs) -> None:
    assert jobs.run("backup").code == 0
    assert jobs.run("forget", ARCHIVE="orders-uid-1/archive", NEEDED="all").code == 0
    assert list(jobs.store.iterdir()) == []


def test_a_key_that_is_replaced_or_lost_is_told_and_old_backups_stay_readable(jobs: Jobs) -> None:
    assert jobs.run("backup").code == 0
    keys = jobs.folder / "keys"
    old = (keys / "key").read_text()
    (keys / "key").write_text(base64.b64encode(bytes(32)).decode())
    found = jobs.run("verify")
    assert (found.code, found.told["reason"]) == (3, "KeyUnknown")
    assert "put that one back into the Secret" in found.told["message"]
    (keys / "old-1").write_text(old)
    assert jobs.run("verify").code == 0
    (keys / "key").write_text("short")
    assert jobs.run("backup").told["reason"] == "StoreRefused"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_backup_in_a_bucket_is_proven_and_found_when_it_goes_bad(jobs: Jobs) -> None:
    credentials = servers.own_folder(jobs.folder / "credentials")
    for name in ("accessKey", "secretKey"):
        (credentials / name).write_text("any")
    with services.service() as service:
        place = {"endpoint": service.endpoint, "bucket": services.BUCKET, "prefix": "shop", "region": "us-east-1", "ca": ""}
        told = {"STORE": "s3", "S3": json.dumps(place), "CREDENTIALS": str(credentials)}
        made = jobs.run("backup", **told)
        assert (made.code, made.told["reason"]) == (0, ""), made.log
        assert jobs.run("verify", **told).code == 0
        store, data = service.store(prefix="shop"), f"{LOCATION}/data"
        changed = bytearray(get(store, data))
        changed[len(changed) // 2] ^= 1
        put(store, data, bytes(changed))
        found = jobs.run("verify", **told)
        assert (found.code, found.told["reason"]) == (3, "Corrupted")
        gone = jobs.run("verify", **told | {"S3": json.dumps(place | {"bucket": "gone"})})
        assert (gone.code, gone.told["reason"]) == (3, "StoreRefused")
        assert "does not exist: make it" in gone.told["message"]
        assert jobs.run("forget", ARCHIVE="orders-uid-1/archive", NEEDED="all", **told).code == 0
        assert names(store) == []
