"""Copies of MySQL's data: their room, and what is sent while they are being made."""

import subprocess
from pathlib import Path

import pytest

from pilothouse.platform.databases.inside.agent import disk
from pilothouse.platform.databases.inside.agent.dialects.mysql import copies
from pilothouse.platform.databases.inside.agent.disk import MIB, Disk
from pilothouse.platform.databases.inside.agent.job import Failed
from tests.platform.databases.inside.agent.mysql.test_parts import settings


def test_a_copy_for_which_there_is_no_room_beside_the_data_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings(tmp_path)
    left = tmp_path / "tmp" / "copy-of-an-agent-that-was-killed"
    for folder in (own.mysql, left):
        folder.mkdir(parents=True)
    (own.mysql / "data.ibd").write_bytes(b"x" * 3 * MIB)
    (own.mysql / "binlog.000001").write_bytes(b"x" * 9 * MIB)
    monkeypatch.setattr(disk, "measure", lambda folder: Disk(1024 * MIB, 34 * MIB))
    with pytest.raises(Failed, match=r"takes 3 MiB beside them .* 34 MiB are free: ph mysql resize orders --size SIZE"):
        next(copies.give(own))
    assert not left.exists()


def test_what_is_sent_while_a_copy_is_being_made_is_nothing_to_who_unpacks_it() -> None:
    packed = subprocess.run(["zstd", "-q", "-c"], input=b"a copy", capture_output=True, check=True).stdout
    sent = copies.NOTHING * 2 + packed
    assert subprocess.run(["zstd", "-q", "-d", "-c"], input=sent, capture_output=True, check=True).stdout == b"a copy"
