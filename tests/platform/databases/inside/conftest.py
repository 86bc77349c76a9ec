import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platform.databases.inside import servers
from tests.platform.databases.inside.jobs import Jobs, remove_program
from tests.platform.databases.inside.servers import FakeAgent, Server


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Not pytest's own temporary folder: the servers' user may not enter that."""
    folder = Path(tempfile.mkdtemp(prefix="ph-orders-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def orders(place: Path) -> Iterator[Server]:
    with servers.server(place / "server") as running:
        yield running
    servers.remove_template()
    remove_program()


@pytest.fixture
def agent(place: Path, orders: Server) -> Iterator[FakeAgent]:
    with servers.agent(servers.own_folder(place / "agent"), orders) as running:
        yield running


@pytest.fixture
def jobs(place: Path, agent: FakeAgent) -> Jobs:
    return Jobs(Path(tempfile.mkdtemp(dir=place)), agent)
