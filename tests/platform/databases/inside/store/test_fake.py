import pytest

from tests.platform.databases.inside.store.contract import StoreContract
from tests.platform.databases.inside.store.fake import FakeStore


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


class TestFakeStore(StoreContract):
    pass
