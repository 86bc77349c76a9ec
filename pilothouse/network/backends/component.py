"""The way to other nodes as a component: it follows Nodes and the ClusterNetwork, and what somebody takes away is put back.

Level-triggered: after each change, and now and then without one, the back end compares what the Nodes say with what the kernel has. A node
that cannot be reached leaves the others alone, and is told as an Event. What this node has carried out stands in annotations of its Node,
by which the others send to it.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

import structlog

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.node_conditions import NodeConditions
from pilothouse.client.recorder import Recorder
from pilothouse.linux.packet_size import PacketSize
from pilothouse.model import meta
from pilothouse.model.bgp import STATUS
from pilothouse.model.cluster_network import (
    BGP,
    CANNOT,
    CLUSTERNETWORKS,
    FOLLOWS,
    GROUP,
    HOST,
    MOST_NAMED,
    NAME,
    ROUTES,
    VXLAN,
    WIREGUARD,
    Following,
)
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, NODES, SERVICES
from pilothouse.model.load_balancers import service_keys
from pilothouse.network.backends import table
from pilothouse.network.backends.bgp import BGP as Speaker
from pilothouse.network.backends.config import BackendConfig
from pilothouse.network.backends.driver import LEAVE_S, Driver
from pilothouse.network.backends.host import Host
from pilothouse.network.backends.links import holder, links
from pilothouse.network.backends.memory import Memory, Remembered
from pilothouse.network.backends.packets import between_nodes, of_pods, uplink_mtu
from pilothouse.network.backends.peers import Peers, peers
from pilothouse.network.backends.probes import inabilities
from pilothouse.network.backends.reverse_path import is_strict
from pilothouse.network.backends.routes import Routes
from pilothouse.network.backends.seam import Backend, BackendFailure, Outcome, Surroundings, View
from pilothouse.network.backends.selftest import SelfTest
from pilothouse.network.backends.vxlan import VXLAN as Tunnels
from pilothouse.network.backends.vxlan.kernel import names as tunnel_names
from pilothouse.network.backends.wireguard import WireGuard as Encrypted

log = structlog.get_logger("network.backends")
SETTLE_S, LEARN_S = 0.1, 5.0
ALONE = 4
"""How many times as long as with other nodes nothing is looked at where there are none."""
REASON = "NodeNotRouted"
UNAVAILABLE = "NetworkUnavailable"
MAKERS: Mapping[str, Callable[[Surroundings], Backend]] = {ROUTES: Routes, VXLAN: Tunnels, BGP: Speaker, HOST: Host, WIREGUARD: Encrypted}


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
        packet_size: PacketSize | None = None,
    ) -> None:
        self.config = config
        self._client = node
        self._recorder = recorder
        self._conditions = conditions
        self._packet_size = packet_size
        self._nodes = informers.of(NODES)
        # Of its own: an API server that does not know the kind holds up nothing else.
        self._settings = Informers(informers.client).of(CLUSTERNETWORKS)
        self._memory = Memory(config.state)
        self._wake = asyncio.Event()
        self._told: dict[str, str] = {}
        self._cannot: dict[str, str] = {}
        self._held: dict[str, int] | None = None
        services, slices = informers.of(SERVICES), informers.of(ENDPOINTSLICES, indexes={"service": service_keys})
        self._around = Surroundings(config, informers.client, node, conditions, recorder, self._wake.set, services, slices)
        self._selftest = SelfTest(config, conditions, self._wake.set)
        self._nodes.on_change(self._changed)
        self._settings.on_change(lambda old, new: self._wake.set())

    async def run(self, ready: asyncio.Event) -> None:
        """What is made stays when this ends."""
        await self._nodes.wait_synced()
        self._cannot = await asyncio.to_thread(inabilities, self.config)
        async with scope() as tasks:
            tasks.spawn(self._settings.run(), name="informer of the ClusterNetwork")
            tasks.spawn(self._selftest.run(), name="self-test of the network")
            await self._learn()
            driver = Driver({name: partial(make, self._around) for name, make in MAKERS.items()}, self.config.node, tasks)
            while True:
                self._wake.clear()
                again_s = await self._round(driver)
                ready.set()
                await asyncio.sleep(SETTLE_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(again_s):
                        await self._wake.wait()

    async def _learn(self) -> None:
        """What was carried out before goes on where nobody says anything else in time."""
        await asyncio.to_thread(self._memory.load)
        try:
            async with asyncio.timeout(LEARN_S):
                await self._settings.wait_synced()
        except TimeoutError:
            log.info("no ClusterNetwork is served: going by what was set before", backend=self._memory.last.spec["backend"])

    async def _round(self, driver: Driver) -> float:
        """When the next one is due, in seconds, if nothing changes before."""
        setting = self._setting()
        # In a thread: of a thousand nodes it takes longer than the loop may wait.
        found = await asyncio.to_thread(peers, self._nodes.items(), self.config)
        try:
            await self._hold(found)
            view = View(found.own, found.others, setting.spec, dict(self._selftest.limits))
            outcome = await driver.step(view)
        except BackendFailure as failure:
            log.warning("the ways to other nodes are left as they are", why=str(failure))
            self._conditions.set(UNAVAILABLE, True, "BackendFailed", f"{driver.current}: {failure}")
            await self._publish(found, driver, Following("", setting.generation, problem=str(failure)))
            return self.config.inspect_s
        self._tell({**outcome.problems, **found.problems})
        await asyncio.to_thread(self._memory.save, setting)
        remarks = [f"what {name} has made is not taken away: {why}" for name, why in driver.left_over.items()]
        try:
            remarks += await self._try(view, driver)
        except BackendFailure as failure:
            log.warning("how large packets may be is not known anew", why=str(failure))
            remarks.append(f"how large packets may be is not known anew: {failure}")
        following = _following(driver.current, setting, outcome)
        self._conditions.set(UNAVAILABLE, False, "BackendWorks", "; ".join((_reached(following), *remarks)))
        is_written = await self._publish(found, driver, following)
        if driver.is_leaving:
            return LEAVE_S
        is_alone = is_written and not view.peers and not remarks
        return self.config.inspect_s * (ALONE if is_alone else 1)

    async def _hold(self, found: Peers) -> None:
        """A start changes nothing until the path has been tried again. Raises BackendFailure."""
        if self._held is None:
            self._held = await asyncio.to_thread(table.limits, self.config)
        for name, peer in found.others.items():
            held = [self._held.pop(str(network), 0) for network in peer.pod_cidrs]
            if any(held):
                self._selftest.limits[name] = min(each for each in held if each)

    async def _try(self, view: View, driver: Driver) -> list[str]:
        """What packets fit is told to the self-test and to pods' links. What this machine's links are known to drop is returned.

        Raises BackendFailure.
        """
        there = await asyncio.to_thread(links)
        sizes = between_nodes(view, there, driver.overhead_bytes)
        self._selftest.follow(view, sizes, tuple(link.name for link in there if link.name in tunnel_names(self.config)))
        if self._packet_size is not None:
            uplink = await asyncio.to_thread(uplink_mtu, there)
            self._packet_size.set(of_pods(view.spec["mtu"], sizes, uplink, has_overhead=any(map(driver.overhead_bytes, (4, 6)))))
        own = view.own.address(4) if view.own is not None else None
        under = holder(own, there) if own is not None else None
        if under is None or not view.peers or not await asyncio.to_thread(is_strict, under.name):
            return []
        return [
            f"while the back end changes, packets of nodes that change earlier than this one are dropped: link {under.name} takes them "
            f"by the way alone that it answers by (rp_filter 1); set net.ipv4.conf.{under.name}.rp_filter to 2 before a change"
        ]

    def _setting(self) -> Remembered:
        """What is set, or was last."""
        found = self._settings.get(NAME)
        if found is None:
            return self._memory.last
        setting = Remembered.of(found)
        if setting.spec["backend"] not in MAKERS:
            # One of a later version: it is not for this node to guess.
            return self._memory.last
        return setting

    async def _publish(self, found: Peers, driver: Driver, following: Following) -> bool:
        """Whether all is written, or nothing has to be; what is not is tried with the next round."""
        if found.own is None:
            return True
        wanted = {FOLLOWS: following.shown(), CANNOT: json.dumps(self._cannot), **driver.facts()}
        shown = meta.annotations(found.own.node)
        changes = {key: value or None for key, value in wanted.items() if shown.get(key, "") != value}
        if not changes:
            return True
        try:
            await self._client.patch(NODES, self.config.node, {"metadata": {"annotations": changes}})
        except ApiError as error:
            log.warning("annotations of the node not written", error=error.message)
            return False
        return True

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


def _following(backend: str, setting: Remembered, outcome: Outcome) -> Following:
    unserved = sorted(outcome.waiting | outcome.problems.keys())
    return Following(backend, setting.generation, tuple(unserved), next(iter(outcome.problems.values()), outcome.cause if unserved else ""))


def _reached(following: Following) -> str:
    said = f"the pods of other nodes are reached by {following.backend}"
    waiting = following.waiting
    if not waiting:
        return said
    more = f" and {len(waiting) - MOST_NAMED} more" if len(waiting) > MOST_NAMED else ""
    return f"{said}, but not yet those of {', '.join(waiting[:MOST_NAMED])}{more}"


def _place(node: Object | None) -> object:
    """What ways depend on."""
    if node is None:
        return None
    annotations = {key: value for key, value in meta.annotations(node).items() if key.startswith(f"{GROUP}/") and key != STATUS}
    spec = node.get("spec") or {}
    is_ready = (meta.condition(node, "Ready") or {}).get("status")
    return spec.get("podCIDR"), spec.get("podCIDRs"), (node.get("status") or {}).get("addresses"), annotations, meta.labels(node), is_ready
