"""The fakes keep the promises of what they stand for."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.engine.store import Store
from tests.contracts.runtime import Bench, RuntimeContract
from tests.contracts.store import StoreContract
from tests.simulation.fake_runtime import FakeRuntime, Program
from tests.simulation.memory_store import MemoryStore


class TestMemoryStore(StoreContract):
    @pytest.fixture
    async def store(self) -> Store:
        return MemoryStore()


class TestFakeRuntime(RuntimeContract):
    @pytest.fixture
    async def bench(self, tmp_path: Path) -> AsyncIterator[Bench]:
        runtime = FakeRuntime(latency_s=0.001, programs={"short:1": Program(runs_s=0.02, code=3)})
        runtime.holds("long:1", "short:1")
        yield Bench(runtime, tmp_path, "long:1", "short:1")
        await runtime.close()
