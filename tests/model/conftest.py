from pathlib import Path

import pytest

from pilothouse.model.schema import Catalog


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog.load(Path(tmp_path_factory.mktemp("schemas")))
