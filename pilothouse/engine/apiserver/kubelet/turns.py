"""Bounds the calls to one node that wait for its answer: a node that accepts calls and never answers holds only so many callers.

Each node has turns of its own for each kind of call, fewer than its callers have workers, so that other nodes have theirs meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from pilothouse.model.errors import Unavailable

MOST_CALLS = 3
SLOW_S = 10.0
"""A call waits for its turn as long as none of those before it has waited for its answer for longer."""


@dataclass(slots=True)
class _Turns:
    """begun: when the calls under way were begun, on the loop's clock. wanted: callers that have a turn or wait for one."""

    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_CALLS))
    begun: list[float] = field(default_factory=list)
    wanted: int = 0


class NodeTurns:
    def __init__(self) -> None:
        self._turns: dict[tuple[str, str], _Turns] = {}

    @asynccontextmanager
    async def of(self, node: str, kind: str) -> AsyncIterator[None]:
        """A turn to ask the node for something of that kind. Raises Unavailable when the node is slow."""
        turns = self._turns.setdefault((node, kind), _Turns())
        turns.wanted += 1
        try:
            await _take(node, turns)
            now = asyncio.get_running_loop().time()
            turns.begun.append(now)
            try:
                yield
            finally:
                turns.begun.remove(now)
                turns.free.release()
        finally:
            turns.wanted -= 1
            if not turns.wanted:
                del self._turns[node, kind]


async def _take(node: str, turns: _Turns) -> None:
    loop = asyncio.get_running_loop()
    while turns.free.locked():
        left_s = min(turns.begun, default=loop.time()) + SLOW_S - loop.time()
        if left_s <= 0:
            raise Unavailable(f"node {node} does not answer: {len(turns.begun)} calls wait for it already; it is asked again")
        with suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await turns.free.acquire()
                return
    await turns.free.acquire()
