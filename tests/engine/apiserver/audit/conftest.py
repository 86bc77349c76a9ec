"""The server of these tests records everything that it is asked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.store.store import Store
from tests.engine.apiserver.audit.trail import Trail, recorded


@pytest.fixture
async def trail(store: Store, state: Path, tmp_path: Path) -> AsyncIterator[Trail]:
    async with recorded(store, state, tmp_path) as trail:
        yield trail


@pytest.fixture
def server(trail: Trail) -> ApiServer:
    return trail.server
