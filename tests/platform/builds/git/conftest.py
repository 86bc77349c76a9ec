"""One repository, and a server that shows it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platform.builds.git.server import Repository, served


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def url(tmp_path: Path, repository: Repository) -> Iterator[str]:
    with served(tmp_path) as root:
        yield f"{root}/shop.git"
