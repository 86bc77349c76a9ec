"""Looks at all nodes at intervals, as long as somebody asks what they use; nothing is asked of anybody otherwise.

Asleep it knows nothing. The first who asks wakes it: it looks twice, some seconds apart, which is as long as that one waits. After that
it looks once an interval, and sleeps again `AWAKE_S` after the last question. Autoscalers ask at each of their rounds, so there is
nothing else that has to keep it awake. A node that does not answer loses its own rows, `MISSED` intervals later. Who asks for a pod that
runs and has no figures yet brings the next two looks forward, `FIRST_S` apart: an autoscaler need not wait for two intervals.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from pilothouse.aio.tasks import each, is_set
from pilothouse.engine.apiserver.nodes import NodeProxy
from pilothouse.engine.apiserver.resource_metrics.points import NodePoints
from pilothouse.engine.apiserver.resource_metrics.rates import NodeUsage, joined
from pilothouse.engine.apiserver.resource_metrics.scrape import scrape
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.node_objects import is_simulated

log = structlog.get_logger("apiserver.resource_metrics")

RESOLUTION_S = 15.0
"""Between two looks; source: metrics-server's --metric-resolution."""
FIRST_S = 3.0
"""Between the first two looks after a sleep: what a node has counted meanwhile is enough to tell."""
LEAST_S = 1.0
AWAKE_S = 300.0
WAIT_S = 8.0
"""How long a question waits for the first two looks."""
LIMIT_S = 8.0
AT_A_TIME = 16
MISSED = 3


class UsageSource(Protocol):
    """What the verbs ask."""

    async def usage(self) -> Mapping[str, NodeUsage]:
        """By node, of those that have answered lately."""
        ...

    def lacks(self, node: str) -> None:
        """Something that runs on the node has been asked for and has no figures yet."""
        ...


class Unmeasured:
    """For servers that look at no node."""

    async def usage(self) -> Mapping[str, NodeUsage]:
        return {}

    def lacks(self, node: str) -> None:
        return


class Scraper:
    """nodes: all that there are, now. proxy: the way to them, None while there is none."""

    def __init__(
        self, nodes: Callable[[], list[Object]], proxy: Callable[[], NodeProxy | None], resolution_s: float = RESOLUTION_S
    ) -> None:
        self._nodes = nodes
        self._proxy = proxy
        self._resolution_s = resolution_s
        self._known: dict[str, NodeUsage] = {}
        self._silent: set[str] = set()
        self._asked_at = 0.0
        self._lacking = asyncio.Event()
        self._asked, self._has_looked = asyncio.Event(), asyncio.Event()

    async def usage(self) -> Mapping[str, NodeUsage]:
        """By node, of those that have answered lately. Waits up to `WAIT_S` when nobody has asked for long."""
        self._asked_at = _now()
        self._asked.set()
        await is_set(self._has_looked, WAIT_S)
        oldest = _now() - MISSED * self._resolution_s
        return {name: known for name, known in self._known.items() if known.received_at >= oldest}

    def lacks(self, node: str) -> None:
        """Something that runs on the node has been asked for and has no figures yet; none are to come of a node that does not answer."""
        if node in self._known and node not in self._silent:
            self._lacking.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            await self._asked.wait()
            await self._look()
            await asyncio.sleep(min(FIRST_S, self._resolution_s))
            await self._look()
            self._has_looked.set()
            took_s = 0.0
            while _now() - self._asked_at < AWAKE_S:
                took_s = await self._next_look(took_s)
            self._asked.clear()
            self._has_looked.clear()
            self._lacking.clear()
            self._known.clear()

    async def _next_look(self, took_s: float) -> float:
        """took_s: by the one before. A look that takes long is no reason to look less often, but no two follow at once."""
        pause_s = max(LEAST_S, self._resolution_s - took_s)
        soonest_s = min(FIRST_S, pause_s)
        await asyncio.sleep(soonest_s)
        if not await is_set(self._lacking, pause_s - soonest_s):
            return await self._look()
        # One look finds what is new, and the one after it what that uses.
        await self._look()
        await asyncio.sleep(soonest_s)
        self._lacking.clear()
        return await self._look()

    async def _look(self) -> float:
        """Returns how many seconds it took."""
        began = _now()
        proxy = self._proxy()
        nodes = {node["metadata"]["name"]: node for node in self._nodes() if not is_simulated(node)}
        self._known = {name: known for name, known in self._known.items() if name in nodes}
        self._silent &= nodes.keys()
        if proxy is not None:
            await each([self._look_at(proxy, name, node) for name, node in nodes.items()], limit=AT_A_TIME)
        return _now() - began

    async def _look_at(self, proxy: NodeProxy, name: str, node: Object) -> None:
        try:
            points = await scrape(proxy, node, min(LIMIT_S, self._resolution_s))
        except ApiError as error:
            self._failed(name, error)
            return
        self._silent.discard(name)
        self._take(name, points)

    def _take(self, name: str, points: NodePoints) -> None:
        self._known[name] = joined(self._known.get(name), points, _now(), self._resolution_s)

    def _failed(self, name: str, error: ApiError) -> None:
        if name not in self._silent:
            self._silent.add(name)
            log.warning("a node gives no figures", node=name, why=error.message)


def _now() -> float:
    return asyncio.get_running_loop().time()
