"""Pods' packets encrypted from host to host by the kernel's WireGuard, for hosts that reach each other by routes.

One link a node; each other node is a peer with its public key, the address of its host and its ranges. A node is sent to only once its Node
says its key: until then it waits, and is reached unencrypted if it was before. The private key is made on the node and never leaves it.
"""

import asyncio
import json
from collections.abc import Mapping

from pilothouse.model.cluster_network import WIREGUARD_PORT
from pilothouse.network.backends import table
from pilothouse.network.backends.seam import Outcome, Surroundings, View
from pilothouse.network.backends.wireguard import kernel, keys
from pilothouse.network.backends.wireguard.plan import KEY, plan


class WireGuard:
    def __init__(self, around: Surroundings) -> None:
        self._config = around.config
        self._public = ""

    def overhead_bytes(self, version: int) -> int:
        """The outer IP header, UDP 8, and WireGuard's own 32."""
        return 60 if version == 4 else 80

    async def apply(self, view: View) -> Outcome:
        if view.own is None or not view.own.pod_cidrs:
            return Outcome(waiting=frozenset(view.peers))
        return await asyncio.to_thread(self._apply, view)

    def facts(self) -> Mapping[str, str]:
        return {KEY: json.dumps({"publicKey": self._public, "port": WIREGUARD_PORT}) if self._public else ""}

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def retire(self) -> None:
        self._public = ""
        await asyncio.to_thread(kernel.teardown, self._config)

    def _apply(self, view: View) -> Outcome:
        private = keys.kept(self._config.state)
        link = kernel.ensure_link(view, self._config)
        wanted = plan(view, link)
        kernel.configure(link, private, wanted)
        refused = table.reconcile(wanted.routes, self._config, table.WIREGUARD)
        self._public = keys.public(private)
        return Outcome({**wanted.problems, **refused}, wanted.waiting)
