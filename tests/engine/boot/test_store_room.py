"""A full store is named until there is room again."""

import asyncio
from pathlib import Path

import pytest

from pilothouse.engine.boot.store_room import StoreRoom
from pilothouse.engine.store import QuotaExceeded, Store
from tests.contracts.store import A, value


async def test_a_full_store_is_named_until_something_is_deleted(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "state.db", quota_bytes=1_000) as store:
        record = await store.create(A, value(x="x" * 900))
        with pytest.raises(QuotaExceeded, match=r"etcdserver: mvcc: database space exceeded: .*delete what is not needed"):
            await StoreRoom(store).run(asyncio.Event())
        await store.delete(A, expected=record.revision)
        ready = asyncio.Event()
        working = asyncio.ensure_future(StoreRoom(store).run(ready))
        await ready.wait()
        working.cancel()
