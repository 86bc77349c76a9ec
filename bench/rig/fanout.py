"""One write, many watchers: from before the write is sent until each watcher has it.

Every watcher has its own connection. A watcher looks for the name in the bytes as they arrive and decodes nothing, or decoding a hundred
events would be what is measured.
"""

import asyncio
import re
from contextlib import AsyncExitStack

from bench.rig.figures import Figures, latencies, now
from bench.rig.objects import NAMESPACE, configmap
from bench.rig.raw import Connection, Endpoint, connections
from pilothouse.model.json import dumps, loads
from pilothouse.model.kinds import CONFIGMAPS

WATCHERS = 100
PAUSE_S = 0.03
_NAME = re.compile(rb'"name":"fan-(\d+)"')
_TAIL = 32
"""Longer than a name: what is kept of a piece in case a name is cut in two."""


class Watcher:
    """seen: write number -> when its event arrived here. done is set when the last has."""

    def __init__(self, writes: int) -> None:
        self.seen: dict[int, float] = {}
        self.done = asyncio.Event()
        self._writes = writes
        self._tail = b""

    def __call__(self, data: bytes) -> None:
        moment = now()
        text = self._tail + data
        for found in _NAME.finditer(text):
            self.seen.setdefault(int(found[1]), moment)
        self._tail = text[-_TAIL:]
        if len(self.seen) == self._writes:
            self.done.set()


async def fan_out(endpoint: Endpoint, writes: int, *, watchers: int = WATCHERS) -> Figures:
    path = CONFIGMAPS.path(NAMESPACE)
    async with AsyncExitStack() as stack:
        (writer,) = await stack.enter_async_context(connections(endpoint, 1))
        opened = await stack.enter_async_context(connections(endpoint, watchers))
        start = loads(await writer.request("GET", f"{path}?limit=1"))["metadata"]["resourceVersion"]
        seeing = [Watcher(writes) for _ in opened]
        for connection, watcher in zip(opened, seeing, strict=True):
            await connection.watch(f"{path}?watch=1&resourceVersion={start}", watcher)
        sent, acknowledged = await _write(writer, path, writes)
        async with asyncio.timeout(60):
            for watcher in seeing:
                await watcher.done.wait()
        for number in range(writes):
            await writer.request("DELETE", f"{path}/fan-{number}")
    return summary(sent, acknowledged, [watcher.seen for watcher in seeing])


async def _write(writer: Connection, path: str, writes: int) -> tuple[list[float], list[float]]:
    sent, acknowledged = [], []
    for number in range(writes):
        body = dumps(configmap(f"fan-{number}"))
        sent.append(now())
        await writer.request("POST", path, body)
        acknowledged.append(now() - sent[-1])
        await asyncio.sleep(PAUSE_S)
    return sent, acknowledged


def summary(sent: list[float], acknowledged: list[float], seen: list[dict[int, float]]) -> Figures:
    """Every delivery, and of each write the last one."""
    deliveries = [[moments[number] - began for moments in seen] for number, began in enumerate(sent)]
    return {
        "watchers": len(seen),
        "write_to_each_watcher": latencies([took for write in deliveries for took in write]),
        "write_to_last_watcher": latencies([max(write) for write in deliveries]),
        "write_acknowledged": latencies(acknowledged),
    }
