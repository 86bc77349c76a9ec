"""How measurements become figures: latencies in milliseconds, rates a second."""

import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from pilothouse.aio.tasks import each

Figures = dict[str, Any]
C = TypeVar("C")
now = time.perf_counter
HAMMER_S = 300.0


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest rank: the smallest value that at least this share of all values do not exceed. `ordered` is sorted, not empty."""
    return ordered[max(math.ceil(len(ordered) * share), 1) - 1]


def latencies(seconds: Sequence[float]) -> Figures:
    """In milliseconds; below 100 values the p99 is the maximum."""
    if not seconds:
        return {"n": 0}
    ordered = sorted(seconds)
    figures = {"median": statistics.median(ordered), "p99": percentile(ordered, 0.99), "max": ordered[-1]}
    return {**{name: round(value * 1000, 2) for name, value in figures.items()}, "n": len(ordered)}


def milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def rate(seconds: Sequence[float], took_s: float) -> Figures:
    return {"per_second": round(len(seconds) / took_s, 1), **latencies(seconds)}


async def hammer(clients: Sequence[C], count: int, call: Callable[[C, int], Awaitable[object]]) -> Figures:
    """Make `count` numbered calls, each client one after another and all clients side by side."""
    numbers = iter(range(count))
    took: list[float] = []

    async def work(client: C) -> None:
        for number in numbers:
            began = now()
            await call(client, number)
            took.append(now() - began)

    began = now()
    async with asyncio.timeout(HAMMER_S):
        await each([work(client) for client in clients], limit=len(clients))
    return rate(took, now() - began)
