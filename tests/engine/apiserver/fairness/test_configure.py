"""Other figures for levels while requests are in execution: what they have borrowed stays accounted for."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from pilothouse.engine.apiserver.bootstrap.bindings import ADMINS
from pilothouse.engine.apiserver.fairness import defaults
from pilothouse.engine.apiserver.fairness.configuration import PriorityLevel, flow_schema, priority_level
from pilothouse.engine.apiserver.fairness.control import Fairness
from pilothouse.engine.apiserver.fairness.turns import Seat
from pilothouse.engine.apiserver.identity import service_account
from pilothouse.engine.apiserver.request.routing import parse
from pilothouse.platform.rights import SYSTEM

SCHEMAS = [flow_schema(each) for each in defaults.flow_schemas(ADMINS, SYSTEM)]
LEVELS = [priority_level(each) for each in defaults.priority_levels()]
BUSY = "workload-low"
PODS = parse("/api/v1/namespaces/default/pods")


def changed(name: str, **figures: Any) -> list[PriorityLevel]:
    return [replace(level, **figures) if level.name == name else level for level in LEVELS]


@pytest.fixture
def fairness() -> Fairness:
    return Fairness(SCHEMAS, LEVELS)


async def taken(fairness: Fairness, count: int) -> list[Seat]:
    """So many seats of one level, each by a tenant of its own."""
    found = []
    for number in range(count):
        user = service_account(f"tenant-{number}", "default")
        schema, level = fairness.classify(user, "list", PODS)
        assert level.settings.name == BUSY
        async with asyncio.timeout(5):
            seat = await fairness.enter(schema, level, user, PODS)
        assert seat is not None
        found.append(seat)
    return found


def borrowed(fairness: Fairness) -> int:
    return sum(max(0, level.seats - level.kept) for level in fairness.levels if not level.settings.exempt)


@pytest.mark.parametrize(
    "levels",
    [LEVELS, changed("system", shares=500), changed("system", shares=1), changed("node-high", lendable_percent=90)],
    ids=["the same", "larger", "smaller", "lending"],
)
async def test_what_is_in_execution_is_borrowed_by_the_new_figures(fairness: Fairness, levels: Iterable[PriorityLevel]) -> None:
    seats = await taken(fairness, 30)
    fairness.configure(SCHEMAS, levels)
    pool = fairness.levels[1].pool
    assert pool.used == borrowed(fairness)
    for seat in seats:
        seat.release()
    assert pool.used == 0
    seats = await taken(fairness, 5)
    fairness.configure(SCHEMAS, LEVELS)
    for seat in seats:
        seat.release()
    assert pool.used == 0


async def test_seats_of_a_level_that_is_replaced_count_as_borrowed_until_they_are_given_back(fairness: Fairness) -> None:
    seats = await taken(fairness, 20)
    fairness.configure(SCHEMAS, changed(BUSY, shares=50))
    pool = fairness.levels[1].pool
    assert pool.used == 19
    for seat in seats:
        seat.release()
    assert pool.used == 0


async def test_who_waits_in_a_level_that_is_replaced_is_served(fairness: Fairness) -> None:
    user = service_account("tenant", "default")
    schema, level = fairness.classify(user, "list", PODS)
    seats = [await fairness.enter(schema, level, user, PODS) for _ in range(level.most // 4)]
    waiting = [asyncio.ensure_future(fairness.enter(schema, level, user, PODS)) for _ in range(50)]
    async with asyncio.timeout(5):
        while not level.waiting:
            await asyncio.sleep(0)
    fairness.configure(SCHEMAS, changed(BUSY, shares=50))
    for seat in seats:
        assert seat is not None
        seat.release()
    async with asyncio.timeout(5):
        for each in waiting:
            found = await each
            assert found is not None
            found.release()
    assert level.is_idle
    assert level.pool.used == 0
