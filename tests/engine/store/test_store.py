"""The SQLite store: the contract, and what comes after a restart, at its bounds and with a damaged file."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.engine.store import (
    Change,
    Compacted,
    Limits,
    ObjectTooLarge,
    QuotaExceeded,
    StorageFailed,
    Store,
    StoreBroken,
    StoreBusy,
    StoreClosed,
    StoreCorrupt,
    StoreLocked,
    StoreTooNew,
    StoreUnusable,
)
from pilothouse.engine.store import store as store_module
from pilothouse.engine.store.history import History
from pilothouse.engine.store.record import Record
from pilothouse.model.json import dumps
from tests.contracts.store import A, B, StoreContract, seen, value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with Store.open(path) as opened:
        yield opened


class TestSqliteStore(StoreContract):
    pass


async def churn(store: Store, updates: int, key: str = A) -> None:
    record = store.get(key) or await store.create(key, value(n="0"))
    for n in range(updates):
        record = await store.update(key, value(n=str(n)), expected=record.revision)


async def test_a_restart_keeps_objects_revision_and_history(path: Path) -> None:
    async with Store.open(path) as store:
        a = await store.create(A, value(colour="red"))
        b = await store.create(B, value("b"))
        await store.delete(B, expected=b.revision)
        last, raw = store.revision, a.raw
    async with Store.open(path) as store:
        assert store.revision == last
        assert [(record.key, record.raw, record.created) for record in store.scan("/")] == [(A, raw, a.created)]
        changes: list[Change] = []
        store.watch("/", 0, changes.append)
        assert [kind for kind, _, _ in seen(changes)] == ["ADDED", "ADDED", "DELETED"]
        assert changes[2].previous is not None
        assert changes[2].previous.value["metadata"]["name"] == "b"


async def test_revisions_go_on_after_a_restart_even_when_the_last_change_is_compacted(path: Path) -> None:
    now = 1000.0
    async with Store.open(path, clock=lambda: now) as store:
        record = await store.create(A, value())
        await store.delete(A, expected=record.revision)
        last = store.revision
    now += 10_000
    for _ in range(2):
        async with Store.open(path, clock=lambda: now) as store:
            assert store.revision == store.compacted == last
    async with Store.open(path, clock=lambda: now) as store:
        assert (await store.create(A, value())).revision > last


@pytest.mark.parametrize("limits", [Limits(changes=50), Limits(size_bytes=50 * 110)])
async def test_history_beyond_its_bound_is_compacted(path: Path, limits: Limits) -> None:
    async with Store.open(path, limits=limits) as store:
        await churn(store, 500)
        assert 400 < store.compacted < store.revision
        with pytest.raises(Compacted):
            store.watch("/", store.compacted - 1, print)
        with pytest.raises(Compacted):
            store.snapshot("/", store.compacted - 1)
        changes: list[Change] = []
        store.watch("/", store.compacted, changes.append)
        assert [change.revision for change in changes] == list(range(store.compacted + 1, store.revision + 1))


async def test_a_watch_of_what_has_not_changed_starts_at_any_revision_since(path: Path) -> None:
    async with Store.open(path, limits=Limits(changes=50)) as store:
        quiet = await store.create("/secrets/ns/s", value())
        await churn(store, 200)
        assert quiet.revision < store.compacted
        changes: list[Change] = []
        store.watch("/secrets/", quiet.revision, changes.append)
        store.watch("/secrets/ns/", quiet.revision, changes.append)
        await store.delete(quiet.key, expected=quiet.revision)
        assert [change.type for change in changes] == ["DELETED", "DELETED"]
        for prefix in ("/", "/secrets/"):
            with pytest.raises(Compacted):
                store.watch(prefix, quiet.revision - 1, print)


async def test_after_a_restart_nobody_knows_what_was_dropped_before(path: Path) -> None:
    async with Store.open(path, limits=Limits(changes=50)) as store:
        quiet = await store.create("/secrets/ns/s", value())
        await churn(store, 200)
    async with Store.open(path, limits=Limits(changes=50)) as store:
        with pytest.raises(Compacted):
            store.watch("/secrets/", quiet.revision, print)


def test_what_is_remembered_of_dropped_changes_is_bounded() -> None:
    def change(revision: int) -> Change:
        return Change("ADDED", Record(f"/kind{revision}/ns/x", revision, revision, dumps({}), None), None, 0)

    history = History(Limits(changes=1), 0)
    for revision in range(1, 6000):
        history.append(change(revision))
        history.trim(0)
    assert len(history._dropped) <= 4096
    assert not history.reaches("/never/", 10)
    assert history.reaches("/never/", 4096 + 1)


async def test_history_keeps_bytes_only_whoever_looks_into_it(path: Path) -> None:
    async with Store.open(path) as store:
        await churn(store, 1)
        changes: list[Change] = []
        store.watch("/", 0, changes.append)
        old = changes[1].previous
        assert old is not None
        assert old.value["data"] == {"n": "0"}
        assert old.value is not old.value
        assert store.scan("/")[0].value is store.scan("/")[0].value


async def test_a_watcher_that_fails_is_closed_and_harms_nobody(path: Path) -> None:
    def fail(_: Change) -> None:
        raise ValueError("broken watcher")

    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: reported.append(told))
    async with Store.open(path) as store:
        store.watch("/", 0, fail)
        changes: list[Change] = []
        store.watch("/configmaps/", 0, changes.append)
        await churn(store, 2)
        assert len(changes) == 3
    assert [str(told["exception"]) for told in reported] == ["broken watcher"]


async def test_an_index_that_misses_a_change_breaks_the_store(path: Path) -> None:
    def fail(_: Change) -> None:
        raise ValueError("broken index")

    asyncio.get_running_loop().set_exception_handler(lambda _, told: None)
    async with Store.open(path) as store:
        store.watch("/configmaps/", 0, fail, internal=True)
        await store.create(A, value())
        with pytest.raises(StoreBroken, match="what follows /configmaps/ failed at revision 1"):
            await store.failure()
        with pytest.raises(StoreBroken):
            await store.create(B, value("b"))
        assert "broken index" in store.trouble()


async def test_a_large_batch_is_told_in_turns(path: Path) -> None:
    async with Store.open(path) as store:
        store.watch("/", 0, lambda _: time.sleep(0.002))
        writes = [asyncio.ensure_future(store.create(f"/pods/a/{n}", value())) for n in range(100)]
        seen_by_others: set[int] = set()
        while not all(write.done() for write in writes):
            await asyncio.sleep(0)
            seen_by_others.add(store.revision)
        assert len(seen_by_others) > 5


async def test_an_object_beyond_the_limit_is_refused_and_a_smaller_one_taken(path: Path) -> None:
    async with Store.open(path) as store:
        with pytest.raises(ObjectTooLarge, match="the limit is 1572864"):
            await store.create(A, value(text="x" * 1_600_000))
        record = await store.create(A, value(text="x" * 1_500_000))
        with pytest.raises(ObjectTooLarge):
            await store.update(A, value(text="x" * 1_600_000), expected=record.revision)
        assert record.revision == 1


async def test_a_full_store_takes_what_makes_it_smaller_only(path: Path) -> None:
    async with Store.open(path, quota_bytes=5_000) as store:
        record = await store.create(A, value(text="x" * 3_000))
        with pytest.raises(QuotaExceeded, match="delete what is not needed"):
            await store.create(B, value(text="x" * 3_000))
        with pytest.raises(QuotaExceeded):
            await store.update(A, value(text="x" * 6_000), expected=record.revision)
        record = await store.update(A, value(text="x" * 2_000), expected=record.revision)
        await store.delete(A, expected=record.revision)
        assert store.used_bytes == 0
        await store.create(B, value(text="x" * 3_000))


async def test_a_reopened_store_counts_what_it_holds(path: Path) -> None:
    async with Store.open(path) as store:
        record = await store.create(A, value(text="x" * 3_000))
    async with Store.open(path, quota_bytes=2_000) as store:
        assert store.used_bytes == len(record.raw)
        with pytest.raises(QuotaExceeded):
            await store.create(B, value())


async def test_old_history_is_compacted_by_the_next_write(path: Path) -> None:
    now = 1000.0
    async with Store.open(path, clock=lambda: now) as store:
        first = await store.create(A, value())
        now += 301
        await store.create(B, value("b"))
        assert store.compacted == first.revision


async def test_compacted_rows_leave_the_file(path: Path) -> None:
    async with Store.open(path, limits=Limits(changes=100)) as store:
        await churn(store, 2_000)
    rows = sqlite3.connect(path).execute("SELECT count(*) FROM log").fetchone()[0]
    assert rows <= 101


async def test_waiting_for_a_write_that_fails_raises_what_the_write_raised(path: Path) -> None:
    async with Store.open(path) as store:
        store._database._connection.execute("PRAGMA query_only = ON")
        creating = asyncio.ensure_future(store.create(A, value()))
        await asyncio.sleep(0)
        latest = store.latest(A)
        assert latest is not None
        with pytest.raises(StorageFailed):
            await store.durable(latest.revision)
        with pytest.raises(StorageFailed):
            await creating
        with pytest.raises(StorageFailed):
            await store.durable(latest.revision)
        store._database._connection.execute("PRAGMA query_only = OFF")


async def test_a_second_opener_is_refused_with_the_first_ones_process(path: Path) -> None:
    async with Store.open(path):
        with pytest.raises(StoreLocked, match=r"in use by process \d+: stop that one first"):
            async with Store.open(path):
                pass
    async with Store.open(path):
        pass


async def test_a_closed_store_takes_no_write(path: Path) -> None:
    async with Store.open(path) as store:
        pass
    with pytest.raises(StoreClosed):
        await store.create(A, value())


async def test_closing_waits_for_writes_on_their_way(path: Path) -> None:
    async with Store.open(path) as store:
        writes = [asyncio.ensure_future(store.create(f"/pods/a/{n}", value())) for n in range(100)]
        await asyncio.sleep(0)
    assert all(write.done() and write.exception() is None for write in writes)
    async with Store.open(path) as store:
        assert store.count("/pods/") == 100


async def test_more_writes_than_the_queue_holds_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "QUEUE_BOUND", 10)
    async with Store.open(path) as store:
        results = await asyncio.gather(*(store.create(f"/pods/a/{n}", value()) for n in range(12)), return_exceptions=True)
        assert sum(isinstance(result, StoreBusy) for result in results) == 2
        await store.create(A, value())


async def test_the_file_is_readable_for_its_owner_only(path: Path) -> None:
    async with Store.open(path) as store:
        await store.create(A, value())
        assert {file.name: file.stat().st_mode & 0o077 for file in path.parent.iterdir()} == {
            "state.db": 0,
            "state.db-wal": 0,
            "state.db.lock": 0,
        }


async def fill(path: Path) -> None:
    async with Store.open(path) as store:
        await asyncio.gather(*(store.create(f"/pods/a/{n}", value(text="x" * 500)) for n in range(200)))


async def opening_fails(path: Path) -> str:
    with pytest.raises(StoreCorrupt) as refused:
        async with Store.open(path):
            pass
    return str(refused.value)


@pytest.mark.parametrize("offset", [0, 20, 100, 4096 + 8, 4096 * 20])
async def test_a_damaged_page_is_found_at_start_and_named_with_the_way_out(path: Path, offset: int) -> None:
    await fill(path)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * 700)
    message = await opening_fails(path)
    assert str(path) in message
    assert "move" in message


async def test_a_single_flipped_bit_in_a_value_is_found_at_start(path: Path) -> None:
    await fill(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"xxxxxx") + 3] ^= 1
    path.write_bytes(content)
    assert "is not what was written" in await opening_fails(path)


async def test_a_file_cut_short_is_found_at_start(path: Path) -> None:
    await fill(path)
    with path.open("r+b") as file:
        file.truncate(4096 * 10)
    await opening_fails(path)


async def test_a_file_of_another_kind_is_refused(path: Path) -> None:
    path.write_text("apiVersion: v1\n" * 1000)
    await opening_fails(path)


async def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE visits (at)")
    other.close()
    before = path.read_bytes()
    assert "another program" in await opening_fails(path)
    assert path.read_bytes() == before


async def test_a_newer_format_is_refused(path: Path) -> None:
    async with Store.open(path):
        pass
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreTooNew, match="use the newer version"):
        async with Store.open(path):
            pass


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="cannot be opened: No such file or directory"):
        async with Store.open(tmp_path / "absent" / "state.db"):
            pass
