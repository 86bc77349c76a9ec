"""The way to other nodes as a component: it follows the Node objects, and what somebody takes away is put back.

Level-triggered: after each change, and now and then without one, the back end compares what the Nodes say with what the kernel has. A node
that cannot be reached leaves the others alone, and is told as an Event.
"""

import asyncio
from collections.abc import Mapping

import structlog

from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.node_conditions import NodeConditions
from pilothouse.client.recorder import Recorder
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from pilothouse.model.node_objects import REACHED_BY
from pilothouse.network.backends.config import BackendConfig
from pilothouse.network.backends.peers import peers
from pilothouse.network.backends.routes import Routes
from pilothouse.network.backends.seam import Backend, BackendFailure, Surroundings, View

log = structlog.get_logger("network.backends")
INSPECT_S, SETTLE_S = 15.0, 0.1
REASON = "NodeNotRouted"


class NodeBackends:
    """informers: asked for Nodes when this is made. node: signed in as the node. recorder: hears of the nodes that cannot be reached."""

    def __init__(
        self,
        informers: Informers,
        node: Client,
        config: BackendConfig,
        *,
        conditions: NodeConditions,
        recorder: Recorder | None = None,
    ) -> None:
        self.config = config
        self._recorder = recorder
        self._nodes = informers.of(NODES)
        self._wake = asyncio.Event()
        self._told: dict[str, str] = {}
        around = Surroundings(config, informers.client, node, conditions, recorder, self._wake.set)
        self._backend: Backend = Routes(around)
        self._nodes.on_change(self._changed)

    async def run(self, ready: asyncio.Event) -> None:
        """What is made stays when this ends."""
        await self._nodes.wait_synced()
        while True:
            self._wake.clear()
            found = peers(self._nodes.items(), self.config)
            view = View(found.own, found.others, {})
            try:
                outcome = await self._backend.apply(view)
            except BackendFailure as failure:
                log.warning("the ways to other nodes are left as they are", why=str(failure))
            else:
                self._tell({**outcome.problems, **found.problems})
            ready.set()
            await asyncio.sleep(SETTLE_S)
            try:
                # Where no node has to be reached, nothing can be taken away.
                async with asyncio.timeout(INSPECT_S if view.peers else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if _place(old) != _place(new):
            self._wake.set()

    def _tell(self, problems: Mapping[str, str]) -> None:
        """Each once, until it is another one or gone."""
        for name, why in problems.items():
            node = self._nodes.get(name)
            if self._told.get(name) == why or node is None:
                continue
            log.error("no way to the pods of a node", node=name, why=why)
            if self._recorder is not None:
                message = f"node {self.config.node} does not reach the pods of {meta.name(node)}: {why}"
                self._recorder.say(node, "Warning", REASON, message[:1000])
        self._told = dict(problems)


def _place(node: Object | None) -> object:
    """What ways depend on."""
    if node is None:
        return None
    machine = (node["metadata"].get("annotations") or {}).get(REACHED_BY)
    spec = node.get("spec") or {}
    return spec.get("podCIDR"), spec.get("podCIDRs"), (node.get("status") or {}).get("addresses"), machine
