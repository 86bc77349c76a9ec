from pathlib import Path

import pytest
from hypothesis import settings

from pilothouse.model.schema import Catalog

settings.register_profile("model", deadline=None)  # a busy machine makes single examples slow
settings.load_profile("model")


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog.load(Path(tmp_path_factory.mktemp("schemas")))
