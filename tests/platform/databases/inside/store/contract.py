"""What every store promises (`store/seam.py`). A store's test module inherits StoreContract and has the fixture `store`."""

import os
from collections.abc import Iterator

import pytest

from pilothouse.platform.databases.inside.store.s3 import PART
from pilothouse.platform.databases.inside.store.sealed import BrokenSeal, Keys, Sealer, unsealed
from pilothouse.platform.databases.inside.store.seam import Missing, Store

KEYS = Keys(bytes(range(32)))


def put(store: Store, name: str, data: bytes) -> None:
    writer = store.write(name)
    writer.write(data)
    writer.commit()


def get(store: Store, name: str) -> bytes:
    reader = store.read(name)
    try:
        return b"".join(iter(lambda: reader.read(1 << 20), b""))
    finally:
        reader.close()


def names(store: Store, prefix: str = "", after: str = "") -> list[str]:
    return [entry.name for entry in store.entries(prefix, after)]


class StoreContract:
    @pytest.mark.parametrize("size", [0, 1, 70_000, PART, 2 * PART + 5])
    def test_what_is_written_is_read(self, store: Store, size: int) -> None:
        data = os.urandom(size)
        put(store, "orders/backups/a", data)
        assert get(store, "orders/backups/a") == data
        assert [entry.size for entry in store.entries("orders/")] == [size]

    def test_a_thing_takes_the_place_of_an_earlier_one(self, store: Store) -> None:
        put(store, "orders/until", b"first")
        put(store, "orders/until", b"second")
        assert get(store, "orders/until") == b"second"

    def test_names_come_in_order_by_prefix_and_behind_one(self, store: Store) -> None:
        for name in ("b/2_0-1-5_0-1-9", "b/1__0-1-5", "a/1", "b-until", "b/sub/3"):
            put(store, name, b"x")
        assert names(store, "b/") == ["b/1__0-1-5", "b/2_0-1-5_0-1-9", "b/sub/3"]
        assert names(store, "b/", after="b/1__0-1-5") == ["b/2_0-1-5_0-1-9", "b/sub/3"]
        assert names(store) == sorted(["b/2_0-1-5_0-1-9", "b/1__0-1-5", "a/1", "b-until", "b/sub/3"])

    def test_what_is_not_there_is_missing(self, store: Store) -> None:
        with pytest.raises(Missing):
            store.read("orders/nothing")
        assert names(store, "orders/") == []

    def test_what_is_deleted_is_gone(self, store: Store) -> None:
        put(store, "orders/a", b"x")
        store.delete("orders/a")
        store.delete("orders/a")
        with pytest.raises(Missing):
            store.read("orders/a")

    @pytest.mark.parametrize("size", [10, PART + 1])
    def test_what_is_aborted_was_never_there(self, store: Store, size: int) -> None:
        writer = store.write("orders/a")
        writer.write(bytes(size))
        writer.abort()
        writer.abort()
        assert names(store) == []

    def test_an_unfinished_thing_is_not_there_and_goes_when_it_is_tidied(self, store: Store) -> None:
        writer = store.write("orders/a")
        writer.write(bytes(PART + 1))
        assert names(store) == []
        store.tidy("orders/")
        writer.abort()
        put(store, "orders/a", b"whole")
        assert get(store, "orders/a") == b"whole"

    def test_many_names_are_listed(self, store: Store) -> None:
        expected = [f"many/{number:05d}" for number in range(1100)]
        for name in expected:
            put(store, name, b"")
        assert names(store, "many/") == expected

    def test_a_sealed_thing_is_read_as_it_was(self, store: Store) -> None:
        data = os.urandom(3_500_000)
        sealer = Sealer(store, "orders/sealed", KEYS)
        for part in _parts(data):
            sealer.write(part)
        sealer.commit()
        assert b"".join(unsealed(store, "orders/sealed", KEYS)) == data
        put(store, "orders/other", get(store, "orders/sealed"))
        with pytest.raises(BrokenSeal):
            list(unsealed(store, "orders/other", KEYS))


def _parts(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 70_001] for at in range(0, len(data), 70_001))
