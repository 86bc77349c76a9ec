"""Tries a few nodes a round, and keeps what was found.

What it can repair it repairs: the packets to a node are held to what its path carries, and the tunnel's checksums are computed by the
kernel where cards get them wrong. The rest stands in a condition of this Node.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import NoReturn

import structlog

from pilothouse.aio.tasks import each
from pilothouse.client.node_conditions import NodeConditions
from pilothouse.model import meta
from pilothouse.model.cluster_network import BGP, FOLLOWS, carrier, following
from pilothouse.model.json import Object
from pilothouse.network.backends.bgp.sessions import in_force, reaches_out
from pilothouse.network.backends.bgp.settings import BGPSettings
from pilothouse.network.backends.config import BackendConfig
from pilothouse.network.backends.seam import Peer, View
from pilothouse.network.backends.selftest import offload
from pilothouse.network.backends.selftest.echo import gateways, serve
from pilothouse.network.backends.selftest.half_open import Port
from pilothouse.network.backends.selftest.order import AT_ONCE, Tried, due
from pilothouse.network.backends.selftest.probe import Finding, Target, probe
from pilothouse.network.backends.selftest.verdict import CONDITION, Verdict, summary, trouble

log = structlog.get_logger("network.selftest")
BELIEVED = 2
"""Failures in a row after which trouble is said."""


class SelfTest:
    """limits: by node, the largest packet that its path carries, where that is less than it should; changed: called when they change."""

    def __init__(self, config: BackendConfig, conditions: NodeConditions, changed: Callable[[], None]) -> None:
        self.limits: dict[str, int] = {}
        self._config = config
        self._conditions = conditions
        self._changed = changed
        self._probing = config.probing
        self._view: View | None = None
        self._mtus: Mapping[int, int] = {}
        self._links: tuple[str, ...] = ()
        self._tried: dict[str, Tried] = {}
        self._troubles: dict[str, Verdict] = {}
        self._news = asyncio.Event()
        self._serving = AsyncExitStack()
        self._served: list[str] = []

    def follow(self, view: View, mtus: Mapping[int, int], tunnels: tuple[str, ...]) -> None:
        """mtus: by IP version, what a packet between nodes should carry. tunnels: links that encapsulate."""
        before = self._view
        self._view, self._mtus, self._links = view, mtus, tunnels
        peers = {name: peer for name, peer in view.peers.items() if _can_answer(peer.node)}
        if before is None or before.spec != view.spec:
            self._tried.clear()
            self._troubles.clear()
        gone = [name for name in self._tried if name not in peers]
        for name in gone:
            del self._tried[name]
            self._troubles.pop(name, None)
            self.limits.pop(name, None)
        new = [name for name, peer in peers.items() if name not in self._tried or _place(before, name) != _place_of(peer)]
        for name in new:
            # At the end: one that comes again and again keeps nobody waiting.
            self._tried.pop(name, None)
            self._tried[name] = Tried()
        if gone:
            self._say()
        if new or gone:
            self._news.set()

    async def run(self) -> NoReturn:
        try:
            while True:
                self._news.clear()
                await self._serve()
                if self._tried:
                    await self._round()
                await self._wait()
        finally:
            await self._serving.aclose()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._probing.tick_s if self._tried else None):
                await self._news.wait()
            # A node that has just come needs a moment.
            await asyncio.sleep(self._probing.begin_s)
        except TimeoutError:
            return

    async def _serve(self) -> None:
        own = self._view.own if self._view is not None else None
        wanted = gateways(own.pod_cidrs) if own is not None else []
        if wanted == self._served:
            return
        await self._serving.aclose()
        self._served = []
        try:
            self._serving = await serve(wanted, self._config.clusters)
        except OSError as error:
            log.warning("probes of other nodes are not answered", addresses=wanted, why=str(error))
        else:
            self._served = wanted

    async def _round(self) -> None:
        view = self._view
        assert view is not None
        chosen = due(self._tried, time.monotonic(), self._probing.round_s)
        bgp = speaking(view)
        targets = [target for name in chosen for target in self._targets(view, name, bgp)]
        found = await each([self._try(target) for target in targets], limit=AT_ONCE)
        if view is not self._view and view.spec != (self._view.spec if self._view else None):
            # What was tried is not there any more.
            return
        before = dict(self.limits)
        for name in chosen:
            self._take(name, [one for one in found if one.target.node == name], view.spec)
        self._say()
        if before != self.limits:
            self._changed()

    def _say(self) -> None:
        wrong, verdict = summary(self._troubles, self.limits)
        if wrong or not any(tried.failures for tried in self._tried.values()):
            # One failure alone is no trouble yet, and no proof of the contrary.
            self._conditions.set(CONDITION, wrong, verdict.reason, verdict.message)

    def _targets(self, view: View, name: str, bgp: BGPSettings | None) -> list[Target]:
        peer = view.peers.get(name)
        if peer is None or view.own is None or not peer.addresses:
            return []
        own = {network.version: str(network[1]) for network in reversed(view.own.pod_cidrs)}
        found = []
        for version in sorted({network.version for network in peer.pod_cidrs} & own.keys() & self._mtus.keys()):
            other = next(str(network[1]) for network in peer.pod_cidrs if network.version == version)
            host = peer.address(version) or peer.addresses[0]
            port = listens(view, bgp, peer, version)
            found.append(Target(name, own[version], other, str(host), self._mtus[version], self._probing.answer_s, port))
        return found

    async def _try(self, target: Target) -> Finding:
        found = await probe(target)
        if not found.unchecked:
            return found
        changed = await asyncio.to_thread(_compute_checksums, self._links)
        return await probe(target) if changed else found

    def _take(self, name: str, found: list[Finding], spec: Object) -> None:
        tried = self._tried.get(name)
        if tried is None:
            return
        tried.at = time.monotonic()
        verdict = next((said for each in found if (said := trouble(each, spec)) is not None), None)
        tried.failures = tried.failures + 1 if verdict is not None else 0
        if verdict is None:
            if self._troubles.pop(name, None) is not None:
                log.info("a node answers again", node=name)
        elif tried.failures >= BELIEVED:
            if self._troubles.get(name) != verdict:
                log.error("packets do not come back from a node", node=name, why=verdict.message)
            self._troubles[name] = verdict
        self._limit(name, found)

    def _limit(self, name: str, found: list[Finding]) -> None:
        """Left as it was while nothing comes back."""
        if not found or any(not each.fits for each in found):
            return
        narrow = [each.fits for each in found if not each.is_good]
        if narrow and self.limits.get(name) != min(narrow):
            log.warning("the path to a node is narrower than its links say", node=name, carries=min(narrow))
        if narrow:
            self.limits[name] = min(narrow)
        else:
            self.limits.pop(name, None)


def _compute_checksums(links: tuple[str, ...]) -> bool:
    """Whether one of the links left them to the card until now."""
    changed = False
    for link in links:
        try:
            if not offload.computes_itself(link):
                offload.compute(link)
                changed = True
                log.warning("checksums go wrong in the tunnel: the kernel computes them from now on", link=link)
        except OSError as error:
            log.warning("checksum offload of the tunnel is not known", link=link, why=str(error))
    return changed


def speaking(view: View) -> BGPSettings | None:
    """How nodes speak BGP; None where they do not."""
    return in_force(view, BGPSettings.of(view.spec)) if carrier(view.spec) == BGP else None


def listens(view: View, settings: BGPSettings | None, peer: Peer, version: int) -> Port | None:
    """Where another node takes the BGP session that it has with this one. None for one that has none, or does not follow yet."""
    if settings is None or view.own is None or following(peer.node).backend != BGP:
        return None
    own, host = view.own.address(version), peer.address(version)
    if own is None or host is None or not reaches_out(view.own, peer, settings):
        return None
    return Port(str(own), str(host), settings.listen_port)


def _can_answer(node: Object) -> bool:
    """One that is ready, and whose agent knows of probes."""
    return meta.is_true(node, "Ready") and FOLLOWS in meta.annotations(node)


def _place(view: View | None, name: str) -> object:
    peer = view.peers.get(name) if view is not None else None
    return None if peer is None else _place_of(peer)


def _place_of(peer: Peer) -> object:
    return peer.pod_cidrs, peer.addresses
