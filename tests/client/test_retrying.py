import asyncio

import pytest

from pilothouse.client.failures import ConnectionLost
from pilothouse.client.retrying import RetryingTransport
from pilothouse.client.transport import Call, Transport
from pilothouse.model.errors import NotFound, Unavailable
from tests.client.fake_cluster import FakeCluster, FakeTransport
from tests.contracts.transport import CONFIGMAPS, TransportContract, configmap

READ = Call("GET", CONFIGMAPS)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
async def transport(cluster: FakeCluster) -> Transport:
    return RetryingTransport(FakeTransport(cluster), outage_s=30)


class TestRetryingTransport(TransportContract):
    pass


async def test_a_read_goes_on_through_an_outage_and_says_so(cluster: FakeCluster) -> None:
    said: list[Exception] = []
    cluster.failures.extend([Unavailable("refused"), ConnectionLost("broken"), Unavailable("starting")])
    found = await RetryingTransport(FakeTransport(cluster), on_outage=said.append).call(READ)
    assert (found["items"], len(said)) == ([], 3)


@pytest.mark.looptime
async def test_an_outage_that_lasts_too_long_is_raised_in_time(cluster: FakeCluster, transport: Transport) -> None:
    cluster.failures.extend(Unavailable("refused") for _ in range(1000))
    begun = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable, match="refused"):
        await transport.call(READ)
    assert 25 < asyncio.get_running_loop().time() - begun <= 30
    assert len(cluster.calls) < 30


async def test_a_write_is_sent_once(cluster: FakeCluster, transport: Transport) -> None:
    cluster.failures.append(Unavailable("refused"))
    with pytest.raises(Unavailable):
        await transport.call(Call("POST", CONFIGMAPS, body=configmap("c")))
    assert len(cluster.calls) == 1


async def test_a_refusal_is_no_outage(cluster: FakeCluster, transport: Transport) -> None:
    with pytest.raises(NotFound):
        await transport.call(Call("GET", f"{CONFIGMAPS}/none"))
    assert len(cluster.calls) == 1
