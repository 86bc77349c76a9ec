"""kill -9 under concurrent writers: what was acknowledged is there, nothing is half there, no revision is given twice."""

import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from pilothouse.engine.store import Change, Limits, Record, Store
from tests.faults.store_writers import filling


class Acknowledged(NamedTuple):
    verb: str
    key: str
    revision: int
    counter: int


def run_and_kill(path: Path, after_s: float) -> list[Acknowledged]:
    """Let writers work on the store, kill them that long after their first acknowledged write; returns what they had acknowledged."""
    command = [sys.executable, "-m", "tests.faults.store_writers", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as victim:
        assert victim.stdout is not None
        first = [victim.stdout.readline(), victim.stdout.readline()]
        assert all(first), "the writers did not start"
        killer = threading.Timer(after_s, victim.kill)
        killer.start()
        lines = first + victim.stdout.readlines()
        killer.join()
    fields = [line.decode().split() for line in lines if line.endswith(b"\n")]
    return [Acknowledged(verb, key, int(revision), int(counter)) for verb, key, revision, counter in fields]


def check_object(last: Acknowledged, record: Record | None) -> None:
    """The store has the last acknowledged write of a key, or the one write that followed it unacknowledged."""
    if record is None:
        assert last.verb == "delete" or (last.counter + 1) % 7 == 0
        return
    counter = record.value["counter"]
    assert record.value["filling"] == filling(counter)
    assert record.value["metadata"]["resourceVersion"] == str(record.revision)
    if record.revision == last.revision:
        assert counter == last.counter
        assert last.verb == "put"
    else:
        assert record.revision > last.revision
        assert counter == last.counter + 1


def as_found(store: Store, key: str) -> Acknowledged:
    """What the writers of the next round go on from, acknowledged or not: one may be killed before it has acknowledged anything."""
    record = store.get(key)
    if record is None:
        return Acknowledged("delete", key, store.revision, 0)
    return Acknowledged("put", key, record.revision, record.value["counter"])


def check_history(store: Store) -> None:
    changes: list[Change] = []
    store.watch("/", store.compacted, changes.append)
    revisions = [change.revision for change in changes]
    assert revisions == sorted(set(revisions))
    for change in changes:
        assert change.previous is None if change.type == "ADDED" else change.previous is not None


async def kill_rounds(path: Path, rounds: int, dice: random.Random) -> None:
    last: dict[str, Acknowledged] = {}
    highest = 0
    for _ in range(rounds):
        opened, *writes = run_and_kill(path, dice.uniform(0, 0.25))
        assert opened.revision >= highest, "acknowledged writes are missing"
        assert all(write.revision > opened.revision for write in writes), "a revision was given twice"
        last |= {write.key: write for write in writes}
        highest = max(write.revision for write in writes)
        async with Store.open(path, limits=Limits(changes=300)) as store:
            assert store.revision >= highest
            for key, write in last.items():
                check_object(write, store.get(key))
            check_history(store)
            last = {key: as_found(store, key) for key in last}


async def test_every_acknowledged_write_survives_a_kill(tmp_path: Path) -> None:
    await kill_rounds(tmp_path / "state.db", 10, random.Random(1))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_every_acknowledged_write_survives_a_hundred_kills(tmp_path: Path) -> None:
    await kill_rounds(tmp_path / "state.db", 100, random.Random(2))
