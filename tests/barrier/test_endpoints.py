import asyncio
from math import inf

import pytest

from pilothouse.barrier.endpoints import EndpointBarrier

pytestmark = pytest.mark.looptime

A, B = "10.0.0.1", "10.0.0.2"


async def test_an_address_that_nobody_routes_to_is_released_at_once() -> None:
    barrier = EndpointBarrier()
    barrier.join("proxy").routes(frozenset({B}), 1)
    assert await barrier.released(A, 0.1)


async def test_it_is_released_when_the_last_consumer_has_dropped_it() -> None:
    barrier = EndpointBarrier()
    proxy, gateway = barrier.join("proxy"), barrier.join("gateway")
    for consumer in (proxy, gateway):
        consumer.routes(frozenset({A, B}), 1)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(barrier.released(A, 60))
        await asyncio.sleep(1)
        proxy.routes(frozenset({B}), 2)
        await asyncio.sleep(1)
        assert barrier.routed_by(A) == ["gateway"]
        assert not waiting.done()
        gateway.routes(frozenset({B}), 2)
    assert waiting.result()


async def test_a_consumer_that_leaves_is_not_waited_for() -> None:
    barrier = EndpointBarrier()
    proxy = barrier.join("proxy")
    proxy.routes(frozenset({A}), 1)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(barrier.released(A, 60))
        await asyncio.sleep(0)
        proxy.leave()
    assert waiting.result()


async def test_after_the_deadline_the_answer_is_no() -> None:
    barrier = EndpointBarrier()
    barrier.join("proxy").routes(frozenset({A}), 1)
    began = asyncio.get_running_loop().time()
    assert not await barrier.released(A, 5)
    assert asyncio.get_running_loop().time() - began == pytest.approx(5, abs=0.01)


async def test_several_may_wait_for_one_address() -> None:
    barrier = EndpointBarrier()
    proxy = barrier.join("proxy")
    proxy.routes(frozenset({A}), 1)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(barrier.released(A, 60)) for _ in range(3)]
        await asyncio.sleep(0)
        proxy.routes(frozenset(), 2)
    assert [task.result() for task in waiting] == [True, True, True]


async def test_a_consumer_that_starts_again_still_routes_where_it_did_until_it_reports() -> None:
    barrier = EndpointBarrier()
    barrier.join("proxy").routes(frozenset({A}), 1)
    again = barrier.join("proxy")
    assert barrier.routed_by(A) == ["proxy"]
    again.routes(frozenset({B}), 2)
    assert barrier.routed_by(A) == []


async def test_it_is_known_for_a_while_how_long_ago_an_address_was_left() -> None:
    clock = [100.0]
    barrier = EndpointBarrier(now=lambda: clock[0])
    proxy, gateway = barrier.join("service-proxy"), barrier.join("gateway")
    gateway.routes({"10.0.0.2"})
    proxy.changes(["10.0.0.2", "10.0.0.3"], [])
    proxy.changes([], ["10.0.0.2", "10.0.0.3"])
    clock[0] += 1
    assert (barrier.left_for_s("10.0.0.3"), barrier.left_for_s("10.0.0.2"), barrier.left_for_s("10.0.0.9")) == (1, inf, inf)
    gateway.routes(frozenset())
    assert barrier.left_for_s("10.0.0.2") == 0
    clock[0] += 60
    proxy.routes({"10.0.0.4"})
    assert barrier.left_for_s("10.0.0.3") == inf


async def test_an_address_that_another_node_leaves_later_was_left_then() -> None:
    class Slow:
        async def released(self, address: str, deadline_s: float) -> bool:
            clock[0] += 0.3
            return True

    clock = [100.0]
    barrier = EndpointBarrier(now=lambda: clock[0])
    barrier.elsewhere = Slow()
    proxy = barrier.join("service-proxy")
    proxy.changes([A], [])
    proxy.changes([], [A])
    assert await barrier.released(A, 10)
    assert barrier.left_for_s(A) == 0
