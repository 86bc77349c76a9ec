"""Many writes at once, carefully: the first alone, then twice as many each time, until one fails.

When the API server refuses a pod (quota, admission), it refuses all of its kind; so a controller that wants a thousand asks
once instead of a thousand times. All controllers share the API server's queue for them, so none has more than `AT_ONCE` requests there
for one object: of more, many would be refused and made again, those of others too.
Source: Kubernetes, slowStartBatch in controller_utils and replica_set.go.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pilothouse.aio.tasks import scope
from pilothouse.model.errors import ApiError

Item = TypeVar("Item")
AT_ONCE = 64


async def each(items: Sequence[Item], do: Callable[[Item], Awaitable[None]]) -> list[ApiError]:
    """Do all, `AT_ONCE` at a time; returns what went wrong, in the order of the items."""
    seats = asyncio.Semaphore(AT_ONCE)

    async def attempt(item: Item) -> ApiError | None:
        async with seats:
            try:
                await do(item)
            except ApiError as error:
                return error
        return None

    async with scope() as group:
        tasks = [group.spawn(attempt(item)) for item in items]
    return [error for task in tasks if (error := task.result()) is not None]


async def slow_start(items: Sequence[Item], do: Callable[[Item], Awaitable[None]]) -> list[ApiError]:
    """In batches of 1, 2, 4, ... `AT_ONCE`; a batch with an error is the last. Returns its errors."""
    begin, size = 0, 1
    while begin < len(items):
        errors = await each(items[begin : begin + size], do)
        if errors:
            return errors
        begin, size = begin + size, min(size * 2, AT_ONCE)
    return []
