"""Many writes at once, carefully: the first alone, then twice as many each time, until one fails.

When the API server refuses a pod (quota, admission), it refuses all of its kind; so a controller that wants a thousand asks
once instead of a thousand times.
Source: Kubernetes, slowStartBatch in controller_utils and replica_set.go.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pilothouse.aio.tasks import scope
from pilothouse.model.errors import ApiError

Item = TypeVar("Item")


async def each(items: Sequence[Item], do: Callable[[Item], Awaitable[None]]) -> list[ApiError]:
    """Do all at the same time; returns what went wrong, in the order of the items."""

    async def attempt(item: Item) -> ApiError | None:
        try:
            await do(item)
        except ApiError as error:
            return error
        return None

    async with scope() as group:
        tasks = [group.spawn(attempt(item)) for item in items]
    return [error for task in tasks if (error := task.result()) is not None]


async def slow_start(items: Sequence[Item], do: Callable[[Item], Awaitable[None]]) -> list[ApiError]:
    """In batches of 1, 2, 4, ...; a batch with an error is the last. Returns its errors."""
    begin, size = 0, 1
    while begin < len(items):
        errors = await each(items[begin : begin + size], do)
        if errors:
            return errors
        begin, size = begin + size, size * 2
    return []
