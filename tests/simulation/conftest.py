from collections.abc import Callable, Coroutine, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.simulation.cluster import Calm, Simulated, simulated
from tests.simulation.virtual import virtually

Play = Callable[[Callable[[Simulated], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all API servers of a run: the token key and the compact schemas take a while to make."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def play(tmp_path: Path, state: Path) -> Play:
    """Plays a scene in a cluster of its own, in virtual time; no loop may use up its budget of rounds meanwhile."""

    def played(scene: Callable[[Simulated], Coroutine[Any, Any, Any]]) -> Any:
        async def whole() -> Any:
            async with simulated(tmp_path / "node", state) as cluster:
                return await scene(cluster)

        calm = Calm()
        result = virtually(whole)
        calm.holds()
        return result

    return played


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """Kept, not printed."""
    with capture_logs() as captured:
        yield captured
