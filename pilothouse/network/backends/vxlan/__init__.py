"""Pods' packets inside UDP datagrams between the hosts (RFC 7348), which need nothing of the network between them.

One link (VTEP) a node with the gateway address of its pods; for each other node a route by its gateway address, a permanent neighbour entry
for that address and a forwarding entry for its MAC address, so that nothing is learnt and nothing is asked for. Source: Flannel's vxlan.

A node is sent to only once its Node says where its tunnel ends: until then it waits. After a change of VNI or port both links are there
until no node uses the old one.
"""

import asyncio
import json
from collections.abc import Mapping

from pilothouse.model.cluster_network import VTEP, following
from pilothouse.network.backends.seam import Outcome, Surroundings, View
from pilothouse.network.backends.vxlan import guard, kernel
from pilothouse.network.backends.vxlan.plan import Ends, Setting, announced, plan


class VXLAN:
    def __init__(self, around: Surroundings) -> None:
        self._config = around.config
        self._own: Ends | None = None

    def overhead_bytes(self, version: int) -> int:
        """Ethernet 14, VXLAN 8, UDP 8, and the outer IP header."""
        return 50 if version == 4 else 70

    async def apply(self, view: View) -> Outcome:
        if view.own is None or not view.own.pod_cidrs:
            return Outcome(waiting=frozenset(view.peers))
        return await asyncio.to_thread(self._apply, view, Setting.of(view.spec))

    def facts(self) -> Mapping[str, str]:
        own = self._own
        if own is None:
            return {VTEP: ""}
        return {VTEP: json.dumps({"mac": own.mac, "vni": own.setting.vni, "port": own.setting.port, "address": str(own.address)})}

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def retire(self) -> None:
        self._own = None
        await asyncio.to_thread(kernel.teardown, self._config)

    def _apply(self, view: View, setting: Setting) -> Outcome:
        ends = kernel.ensure_link(view, setting, self._config)
        older = kernel.older_links(ends.link, self._config)
        guard.ensure(self._config, (setting.port, *(each.port for each in older)))
        wanted = plan(view, ends, older, kernel.links())
        refused = kernel.apply(wanted, self._config)
        self._own = ends
        if older and not any(_may_use_another(node.node, setting, self._config.node) for node in view.peers.values()):
            kernel.remove_links(older)
        return Outcome({**wanted.problems, **refused}, wanted.waiting)


def _may_use_another(node: dict[str, object], setting: Setting, own: str) -> bool:
    """Whether packets of that node may come by a tunnel that has another VNI or port."""
    found = announced(node)
    return found is None or found.setting != setting or following(node).waits_for(own)
