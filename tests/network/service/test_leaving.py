"""When an endpoint that the rules have left counts as left."""

import asyncio
from collections.abc import Collection

from pilothouse.aio.tasks import scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.network.service import leaving
from pilothouse.network.service.leaving import Leaving


class Proxy:
    def __init__(self) -> None:
        self.barrier = EndpointBarrier()
        self.forgotten: list[list[str]] = []
        self.meanwhile = lambda: None
        self.leaving = Leaving(self.barrier.join("service-proxy"), self._forget)
        self.leaving.routes(["10.0.0.1", "10.0.0.2"], "1")

    async def _forget(self, addresses: Collection[str]) -> None:
        self.forgotten.append(list(addresses))
        self.meanwhile()


async def test_an_endpoint_is_left_once_connections_that_it_has_not_answered_are_forgotten() -> None:
    proxy = Proxy()
    seen: list[frozenset[str]] = []
    proxy.meanwhile = lambda: seen.append(proxy.barrier.addresses())
    async with scope() as tasks:
        task = tasks.spawn(proxy.leaving.run(), name="leaving")
        began = asyncio.get_running_loop().time()
        proxy.leaving.changes([], ["10.0.0.1"], "2")
        assert proxy.barrier.applied("service-proxy") == 2
        assert await proxy.barrier.released("10.0.0.1", 5)
        assert asyncio.get_running_loop().time() - began >= leaving.ANSWERED_WITHIN_S
        assert proxy.forgotten == [["10.0.0.1"]]
        assert seen == [{"10.0.0.1", "10.0.0.2"}]
        assert proxy.barrier.addresses() == {"10.0.0.2"}
        task.cancel()


async def test_an_endpoint_that_comes_back_is_not_left() -> None:
    proxy = Proxy()
    async with scope() as tasks:
        task = tasks.spawn(proxy.leaving.run(), name="leaving")
        proxy.leaving.changes([], ["10.0.0.1"], "2")
        proxy.leaving.changes(["10.0.0.1"], [], "3")
        proxy.leaving.changes([], ["10.0.0.2"], "4")
        assert await proxy.barrier.released("10.0.0.2", 5)
        assert proxy.barrier.addresses() == {"10.0.0.1"}
        task.cancel()


async def test_one_that_comes_back_while_its_connections_are_forgotten_is_not_left_either() -> None:
    proxy = Proxy()
    proxy.meanwhile = lambda: proxy.leaving.changes(["10.0.0.1"], [], "3")
    async with scope() as tasks:
        task = tasks.spawn(proxy.leaving.run(), name="leaving")
        proxy.leaving.changes([], ["10.0.0.1", "10.0.0.2"], "2")
        assert await proxy.barrier.released("10.0.0.2", 5)
        assert proxy.barrier.addresses() == {"10.0.0.1"}
        task.cancel()


async def test_those_that_leave_together_are_asked_about_in_one_go_and_looks_are_apart() -> None:
    proxy = Proxy()
    many = [f"10.1.0.{number}" for number in range(200)]
    proxy.leaving.changes(many, [], "2")
    async with scope() as tasks:
        task = tasks.spawn(proxy.leaving.run(), name="leaving")
        began = asyncio.get_running_loop().time()
        for address in many:
            proxy.leaving.changes([], [address], "3")
            await asyncio.sleep(0.001)
        assert await proxy.barrier.released(many[-1], 5)
        looks = (asyncio.get_running_loop().time() - began) / leaving.ANSWERED_WITHIN_S
        assert len(proxy.forgotten) <= looks + 1
        assert sorted(address for each in proxy.forgotten for address in each) == sorted(many)
        task.cancel()
