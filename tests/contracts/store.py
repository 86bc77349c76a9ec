"""What every store promises. A suite for an implementation subclasses `StoreContract` and gives it a `store` fixture."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.engine.store import Change, Field, FutureRevision, KeyExists, Mismatch, Selection, Store
from pilothouse.model.json import loads

A, B = "/configmaps/default/a", "/configmaps/default/b"


def value(name: str = "a", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def seen(changes: list[Change]) -> list[tuple[str, str, int]]:
    return [(change.type, change.key, change.revision) for change in changes]


class StoreContract:
    async def test_a_created_object_carries_the_revision_it_was_created_at(self, store: Store) -> None:
        record = await store.create(A, value(colour="red"))
        assert record.revision == record.created == store.revision
        assert record.value["metadata"]["resourceVersion"] == str(record.revision)
        assert loads(record.raw) == record.value
        assert store.get(A) is record

    async def test_the_given_value_is_left_as_it_was(self, store: Store) -> None:
        given = value(colour="red")
        await store.create(A, given)
        assert given == value(colour="red")

    async def test_creating_what_exists_is_refused_with_what_is_there(self, store: Store) -> None:
        record = await store.create(A, value())
        with pytest.raises(KeyExists) as refused:
            await store.create(A, value())
        assert refused.value.current is record

    async def test_an_update_keeps_the_revision_of_creation(self, store: Store) -> None:
        first = await store.create(A, value())
        second = await store.update(A, value(colour="blue"), expected=first.revision)
        assert second.created == first.revision
        assert second.revision > first.revision
        assert store.get(A) is second

    async def test_an_update_of_an_older_revision_is_refused_with_the_latest(self, store: Store) -> None:
        first = await store.create(A, value())
        second = await store.update(A, value(), expected=first.revision)
        with pytest.raises(Mismatch) as refused:
            await store.update(A, value(), expected=first.revision)
        assert refused.value.current is second

    async def test_an_update_of_what_is_absent_is_refused(self, store: Store) -> None:
        with pytest.raises(Mismatch) as refused:
            await store.update(A, value(), expected=1)
        assert refused.value.current is None

    async def test_of_two_updates_of_one_revision_one_wins(self, store: Store) -> None:
        first = await store.create(A, value())
        results = await asyncio.gather(
            store.update(A, value(by="one"), expected=first.revision),
            store.update(A, value(by="two"), expected=first.revision),
            return_exceptions=True,
        )
        assert [type(result).__name__ for result in results] == ["Record", "Mismatch"]
        assert store.scan(A)[0].value["data"] == {"by": "one"}

    async def test_writes_may_build_on_writes_still_on_their_way(self, store: Store) -> None:
        creating = asyncio.ensure_future(store.create(A, value()))
        await asyncio.sleep(0)
        latest = store.latest(A)
        assert latest is not None
        assert store.get(A) is None
        updated = await store.update(A, value(colour="blue"), expected=latest.revision)
        assert creating.done()
        assert store.get(A) is updated

    async def test_writes_on_their_way_are_named_until_they_are_on_disk(self, store: Store) -> None:
        await store.create(B, value())
        writes = [store.create(A, value()), store.delete(B, expected=1)]
        running = asyncio.gather(*writes)
        await asyncio.sleep(0)
        assert {change.key: change.type for change in store.pending("/")} == {A: "ADDED", B: "DELETED"}
        assert [change.key for change in store.pending(A)] == [A]
        await running
        assert store.pending("/") == []

    async def test_who_saw_a_write_on_its_way_can_wait_until_it_is_durable(self, store: Store) -> None:
        creating = asyncio.ensure_future(store.create(A, value()))
        await asyncio.sleep(0)
        latest = store.latest(A)
        assert latest is not None
        await store.durable(latest.revision)
        assert store.get(A) is latest
        await store.durable(latest.revision)
        await creating

    async def test_a_write_whose_caller_has_gone_still_becomes_durable(self, store: Store) -> None:
        creating = asyncio.ensure_future(store.create(A, value()))
        await asyncio.sleep(0)
        latest = store.latest(A)
        assert latest is not None
        creating.cancel()
        impatient = asyncio.ensure_future(store.durable(latest.revision))
        await asyncio.sleep(0)
        impatient.cancel()
        await store.durable(latest.revision)
        assert store.get(A) is latest

    async def test_a_revision_that_no_write_has_cannot_be_waited_for(self, store: Store) -> None:
        with pytest.raises(FutureRevision):
            await store.durable(store.revision + 1)

    async def test_a_deletion_returns_the_last_value_with_its_own_revision(self, store: Store) -> None:
        first = await store.create(A, value(colour="red"))
        tombstone = await store.delete(A, expected=first.revision)
        assert tombstone.revision == store.revision > first.revision
        assert tombstone.value["metadata"]["resourceVersion"] == str(tombstone.revision)
        assert tombstone.value["data"] == {"colour": "red"}
        assert store.get(A) is None
        assert store.latest(A) is None

    async def test_a_deletion_may_leave_another_last_value(self, store: Store) -> None:
        first = await store.create(A, value(colour="red"))
        tombstone = await store.delete(A, expected=first.revision, value=value(colour="gone"))
        assert tombstone.value["data"] == {"colour": "gone"}

    async def test_a_deletion_of_an_older_revision_is_refused(self, store: Store) -> None:
        first = await store.create(A, value())
        with pytest.raises(Mismatch):
            await store.delete(A, expected=first.revision + 1)
        assert store.get(A) is first

    async def test_a_key_can_be_deleted_and_created_over_and_over_without_waiting(self, store: Store) -> None:
        writes = []
        for _ in range(5):
            writes.append(asyncio.ensure_future(store.create(A, value())))
            await asyncio.sleep(0)
            latest = store.latest(A)
            assert latest is not None
            writes.append(asyncio.ensure_future(store.delete(A, expected=latest.revision)))
            await asyncio.sleep(0)
        records = await asyncio.gather(*writes)
        assert [record.revision for record in records] == sorted({record.revision for record in records})
        assert store.latest(A) is None

    async def test_a_scan_is_ordered_and_confined_to_its_prefix(self, store: Store) -> None:
        keys = ["/pods/b/1", "/pods/a/2", "/pods/a/1", "/pods/a-b/1", "/podtemplates/a/1", "/nodes//n"]
        for key in keys:
            await store.create(key, value())
        assert [record.key for record in store.scan("/pods/")] == ["/pods/a-b/1", "/pods/a/1", "/pods/a/2", "/pods/b/1"]
        assert [record.key for record in store.scan("/pods/a/")] == ["/pods/a/1", "/pods/a/2"]
        assert [record.key for record in store.scan("/nodes/")] == ["/nodes//n"]
        assert [record.key for record in store.scan("/pods/a/1")] == ["/pods/a/1"]
        assert store.scan("/secrets/") == []
        assert sorted(record.key for record in store.scan("/")) == sorted(keys)
        assert [store.count(prefix) for prefix in ("/pods/", "/pods/a/", "/pods/a/1", "/secrets/", "/")] == [4, 2, 1, 0, 6]

    async def test_a_scan_at_a_past_revision_shows_that_revision(self, store: Store) -> None:
        a = await store.create(A, value(colour="red"))
        await store.create(B, value("b"))
        then, shown = store.revision, store.scan("/configmaps/")
        a = await store.update(A, value(colour="blue"), expected=a.revision)
        await store.delete(A, expected=a.revision)
        await store.create("/configmaps/default/c", value("c"))
        assert list(store.snapshot("/configmaps/", then).walk()) == shown
        assert [record.key for record in store.snapshot("/configmaps/", store.revision).walk()] == [B, "/configmaps/default/c"]

    async def test_a_revision_that_has_not_come_yet_is_refused(self, store: Store) -> None:
        with pytest.raises(FutureRevision):
            store.snapshot("/configmaps/", store.revision + 1)
        with pytest.raises(FutureRevision):
            store.watch("/configmaps/", store.revision + 1, print)

    async def test_a_watch_replays_what_it_missed_then_follows(self, store: Store) -> None:
        first = await store.create(A, value())
        second = await store.update(A, value(colour="blue"), expected=first.revision)
        changes: list[Change] = []
        store.watch("/configmaps/", first.revision, changes.append)
        assert seen(changes) == [("MODIFIED", A, second.revision)]
        third = await store.delete(A, expected=second.revision)
        assert seen(changes)[1:] == [("DELETED", A, third.revision)]
        assert changes[0].previous is first
        assert changes[1].previous is second
        assert changes[1].record is third

    async def test_a_watch_sees_its_prefix_only(self, store: Store) -> None:
        by_prefix: dict[str, list[Change]] = {prefix: [] for prefix in ("/", "/pods/", "/pods/a/", "/pods/a/1", "/nodes/")}
        for prefix, changes in by_prefix.items():
            store.watch(prefix, store.revision, changes.append)
        for key in ("/pods/a/1", "/pods/a/12", "/pods/b/1", "/nodes//n"):
            await store.create(key, value())
        assert {prefix: len(changes) for prefix, changes in by_prefix.items()} == {
            "/": 4,
            "/pods/": 3,
            "/pods/a/": 2,
            "/pods/a/1": 1,
            "/nodes/": 1,
        }

    async def test_a_watcher_has_been_told_before_the_writer_is_answered(self, store: Store) -> None:
        changes: list[Change] = []
        store.watch("/", store.revision, changes.append)
        record = await store.create(A, value())
        assert [change.record for change in changes] == [record]

    async def test_concurrent_writes_reach_a_watch_in_revision_order_without_a_gap(self, store: Store) -> None:
        changes: list[Change] = []
        store.watch("/", store.revision, changes.append)
        await asyncio.gather(*(store.create(f"/pods/{n % 7}/{n}", value()) for n in range(200)))
        revisions = [change.revision for change in changes]
        assert revisions == sorted(revisions)
        assert len(revisions) == len(store.scan("/pods/")) == 200

    async def test_a_closed_watch_is_called_no_more(self, store: Store) -> None:
        changes: list[Change] = []
        watch = store.watch("/", store.revision, changes.append)
        watch.close()
        watch.close()
        await store.create(A, value())
        assert changes == []

    async def test_a_write_whose_caller_went_away_still_stands(self, store: Store) -> None:
        write = asyncio.ensure_future(store.create(A, value()))
        await asyncio.sleep(0)
        write.cancel()
        await store.create(B, value("b"))
        assert store.get(A) is not None

    async def test_a_snapshot_is_gone_through_from_any_key(self, store: Store) -> None:
        records = [await store.create(f"/configmaps/default/{name}", value(name)) for name in "abcd"]
        then = store.revision
        await store.delete(B, expected=records[1].revision)
        await store.update("/configmaps/default/c", value("c", colour="blue"), expected=records[2].revision)
        await store.create("/configmaps/default/bb", value("bb"))
        snapshot = store.snapshot("/configmaps/", then)
        assert list(snapshot.walk(B)) == records[1:]
        assert [snapshot.count(start) for start in ("", B, B + "\0", "/configmaps/default/e")] == [4, 3, 2, 0]
        assert [record.key[-2:] for record in store.snapshot("/configmaps/", store.revision).walk(B)] == ["bb", "/c", "/d"]

    async def test_a_selecting_watch_hears_of_what_has_the_value_or_had_it(self, store: Store) -> None:
        colour = Field("colour", lambda obj: obj["data"])
        heard: dict[str, list[int]] = {"red": [], "blue": [], "": []}

        def noting(revisions: list[int]) -> Callable[[Change], None]:
            return lambda change: revisions.append(change.revision)

        for wanted, revisions in heard.items():
            store.watch("/configmaps/", store.revision, noting(revisions), selection=Selection(colour, wanted))
        red = await store.create(A, value(colour="red"))
        blue = await store.update(A, value(colour="blue"), expected=red.revision)
        plain = await store.create(B, value("b"))
        gone = await store.delete(A, expected=blue.revision)
        assert heard == {
            "red": [red.revision, blue.revision],
            "blue": [blue.revision, gone.revision],
            "": [plain.revision],
        }

    async def test_an_object_that_cannot_be_read_by_a_field_is_for_every_selecting_watch_to_judge(self, store: Store) -> None:
        heard: list[Change] = []
        field = Field("missing", lambda obj: obj["missing"])
        watch = store.watch("/configmaps/", store.revision, heard.append, selection=Selection(field, "x"))
        await store.create(A, value())
        assert len(heard) == 1
        watch.close()
        await store.create(B, value("b"))
        assert len(heard) == 1
