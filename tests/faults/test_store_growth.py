"""Churn does not make the store grow: Lease updates are compacted as they are written."""

import asyncio
import time
from pathlib import Path

import pytest

from pilothouse.engine.store import Record, Store
from pilothouse.model.json import Object

LEASES = 50


def lease(number: int, renewal: int) -> Object:
    metadata = {"name": f"node-{number}", "namespace": "kube-node-lease", "uid": "0" * 36, "creationTimestamp": "2026-01-01T00:00:00Z"}
    holder = {"holderIdentity": f"node-{number}", "leaseDurationSeconds": 40, "renewTime": f"2026-01-01T00:00:00.{renewal:06d}Z"}
    return {"metadata": metadata, "spec": holder}


async def renew(store: Store, number: int, times: int) -> Record:
    key = f"/leases.coordination.k8s.io/kube-node-lease/node-{number}"
    record = store.get(key) or await store.create(key, lease(number, 0))
    for renewal in range(times):
        record = await store.update(key, lease(number, renewal), expected=record.revision)
    return record


async def renew_and_measure(path: Path, updates: int) -> tuple[int, float]:
    """Returns the most bytes the files took and the seconds that a restart took."""
    most_bytes = 0
    async with Store.open(path) as store:
        for _ in range(10):
            await asyncio.gather(*(renew(store, number, updates // LEASES // 10) for number in range(LEASES)))
            most_bytes = max(most_bytes, sum(file.stat().st_size for file in path.parent.iterdir()))
    began = time.perf_counter()
    async with Store.open(path) as store:
        assert store.count("/") == LEASES
        return most_bytes, time.perf_counter() - began


async def test_lease_updates_leave_the_store_small_and_quick_to_open(tmp_path: Path) -> None:
    most_bytes, restart_s = await renew_and_measure(tmp_path / "state.db", 40_000)
    assert most_bytes < 32 << 20
    assert restart_s < 2


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_million_lease_updates_leave_the_store_small_and_quick_to_open(tmp_path: Path) -> None:
    most_bytes, restart_s = await renew_and_measure(tmp_path / "state.db", 1_000_000)
    assert most_bytes < 64 << 20
    assert restart_s < 2
