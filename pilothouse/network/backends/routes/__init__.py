"""Hosts on one link: a route for each node's range, by the node's own address. Nothing is added to a packet.

Source: Flannel's host-gw.
"""

import asyncio
from collections.abc import Mapping

from pilothouse.network.backends import table
from pilothouse.network.backends.routes.plan import plan
from pilothouse.network.backends.seam import Outcome, Surroundings, View


class Routes:
    def __init__(self, around: Surroundings) -> None:
        self._config = around.config

    def overhead_bytes(self, version: int) -> int:
        return 0

    async def apply(self, view: View) -> Outcome:
        routes, problems = plan(view)
        refused = await asyncio.to_thread(table.reconcile, routes, self._config, table.ROUTES)
        return Outcome(problems={**problems, **refused})

    def facts(self) -> Mapping[str, str]:
        return {}

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def retire(self) -> None:
        await asyncio.to_thread(table.withdraw, self._config, table.ROUTES)
