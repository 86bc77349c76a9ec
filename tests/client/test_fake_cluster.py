"""The fake that the other tests here stand on keeps the promises of a real transport."""

import pytest

from pilothouse.client.transport import Transport
from tests.client.fake_cluster import FakeCluster, FakeTransport
from tests.contracts.transport import TransportContract


@pytest.fixture
async def transport() -> Transport:
    return FakeTransport(FakeCluster())


class TestFakeTransport(TransportContract):
    pass
