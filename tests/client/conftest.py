import asyncio

import pytest

from pilothouse.client.client import Client
from tests.client.fake_cluster import FakeCluster, FakeTransport

# Without it pytest-asyncio makes a loop that nobody closes when a test that is no coroutine comes before one that is.
asyncio.set_event_loop(None)


@pytest.fixture
async def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
async def client(cluster: FakeCluster) -> Client:
    return Client(FakeTransport(cluster))
