"""The node's routes as a component: they follow the Node objects, and are put back when somebody takes them away.

Level-triggered: after each change, and now and then without one, what the Nodes say is compared with what the kernel has. A route that the
kernel refuses (the other node is on no network that this one reaches without a router) leaves the others alone, and is told as an Event.
"""

import asyncio

import structlog

from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from pilothouse.model.node_objects import REACHED_BY
from pilothouse.network.routes import kernel
from pilothouse.network.routes.config import NodeRoutesConfig
from pilothouse.network.routes.plan import Route, plan

log = structlog.get_logger("network.routes")
INSPECT_S, SETTLE_S = 15.0, 0.1
REASON = "NodeNotRouted"


class NodeRoutes:
    """informers: asked for Nodes when this is made. recorder: hears of the nodes that cannot be reached."""

    def __init__(self, informers: Informers, config: NodeRoutesConfig, *, recorder: Recorder | None = None) -> None:
        self.config = config
        self._recorder = recorder
        self._nodes = informers.of(NODES)
        self._wake = asyncio.Event()
        self._told: dict[str, str] = {}
        self._nodes.on_change(self._changed)

    async def run(self, ready: asyncio.Event) -> None:
        """Raises RouteFailure when the kernel cannot be asked. The routes stay when this ends."""
        await self._nodes.wait_synced()
        while True:
            self._wake.clear()
            wanted = plan(self._nodes.items(), self.config)
            refused = await asyncio.to_thread(self._apply, dict(wanted.routes))
            self._tell({**wanted.problems, **refused})
            ready.set()
            await asyncio.sleep(SETTLE_S)
            try:
                # Where no node has to be reached, nothing can be taken away.
                async with asyncio.timeout(INSPECT_S if wanted.routes else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if _place(old) != _place(new):
            self._wake.set()

    def _apply(self, wanted: dict[str, Route]) -> dict[str, str]:
        """Blocks. Why a node's route was refused, by node. Old routes go first: a range may have passed to another node."""
        present = kernel.present(self.config)
        for route in present:
            if route not in wanted.values():
                kernel.remove(route)
                log.info("route removed", destination=route.destination, gateway=route.gateway)
        refused = {}
        for node, route in wanted.items():
            if route in present:
                continue
            try:
                kernel.add(route)
            except kernel.RouteFailure as failure:
                refused[node] = str(failure)
            else:
                log.info("route added", node=node, destination=route.destination, gateway=route.gateway)
        return refused

    def _tell(self, problems: dict[str, str]) -> None:
        """Each once, until it is another one or gone."""
        for name, why in problems.items():
            node = self._nodes.get(name)
            if self._told.get(name) == why or node is None:
                continue
            log.error("no route to the pods of a node", node=name, why=why)
            if self._recorder is not None:
                message = f"node {self.config.node} does not reach the pods of {meta.name(node)}: {why}"
                self._recorder.say(node, "Warning", REASON, message[:1000])
        self._told = problems


def _place(node: Object | None) -> object:
    """What routes depend on."""
    if node is None:
        return None
    machine = (node["metadata"].get("annotations") or {}).get(REACHED_BY)
    return (node.get("spec") or {}).get("podCIDR"), (node.get("status") or {}).get("addresses"), machine
