import asyncio
from typing import Any

import pytest

from pilothouse.engine.controllers import batches
from pilothouse.model.errors import Forbidden


async def test_batches_double_until_all_is_done() -> None:
    done: list[int] = []

    async def do(item: int) -> None:
        done.append(item)

    assert await batches.slow_start(range(20), do) == []
    assert sorted(done) == list(range(20))


async def test_the_first_refusal_stops_what_would_be_refused_as_well() -> None:
    tried: list[int] = []

    async def do(item: int) -> None:
        tried.append(item)
        raise Forbidden("exceeded quota")

    errors = await batches.slow_start(range(1000), do)
    assert (len(tried), len(errors)) == (1, 1)


async def test_errors_do_not_keep_the_rest_of_a_batch_from_being_tried() -> None:
    tried: list[int] = []

    async def do(item: int) -> None:
        tried.append(item)
        if item == 1:
            raise Forbidden("no")

    assert len(await batches.slow_start(range(10), do)) == 1
    assert tried == [0, 1, 2]


@pytest.mark.parametrize("start", [batches.each, batches.slow_start])
async def test_no_more_than_some_are_on_their_way_at_once(start: Any) -> None:
    running, most, done = 0, 0, list[int]()

    async def do(item: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(item)

    assert await start(range(500), do) == []
    assert (most, sorted(done)) == (batches.AT_ONCE, list(range(500)))
