from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from tests.engine.controllers.conftest import api_server, held


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with held(api_server(tmp_path, tmp_path)) as opened:
        yield opened
