"""What stored objects cost in memory, and who keeps decoded ones."""

import asyncio
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.engine.store import Limits, Store
from pilothouse.engine.store.record import DECODED_BYTES, Decoded, Record
from tests.contracts.store import A, value

SIZE = 1500


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def test_many_objects_written_and_read_cost_little_more_than_their_json(tmp_path: Path, traced: None) -> None:
    count = 2_000
    async with Store.open(tmp_path / "state.db", limits=Limits(changes=10)) as store:
        before = tracemalloc.get_traced_memory()[0]
        data = {f"k{n}": "x" * 20 for n in range(SIZE // 30)}
        await asyncio.gather(*(store.create(f"/configmaps/default/o{number}", value(f"o{number}", **data)) for number in range(count)))
        for record in store.scan("/configmaps/"):
            assert record.value
        used = tracemalloc.get_traced_memory()[0] - before
        assert used < count * 1.5 * len(record.raw) + 8 * DECODED_BYTES


def test_a_value_is_kept_until_younger_ones_need_its_room() -> None:
    decoded = Decoded(limit_bytes=30)
    first, second = (Record(key, 1, 1, b'{"some":"json"}', decoded=decoded) for key in "ab")
    assert first.value is first.value
    third = Record("c", 1, 1, b'{"a":1}', decoded=decoded)
    assert second.value is second.value
    assert third.value is third.value
    assert first._value is None
    assert first.value == {"some": "json"}


def test_a_peek_keeps_nothing() -> None:
    record = Record(A, 1, 1, b"{}", decoded=Decoded())
    assert record.peek() is not record.peek()
