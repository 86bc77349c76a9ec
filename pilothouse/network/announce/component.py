"""The announcer as a component: says what its node has to offer, and holds the addresses that are its node's to answer for.

It stands guard for others (`guard`): of the addresses for which this node is second it asks the first one once a second, straight, whether
he still has some of them. Three times no answer: this node takes over, whatever the API says meanwhile: the one address while others are
answered, all of them when none is, since the machine or its link is gone.
Level-triggered: each look compares what the objects say with what the kernel has.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.node_conditions import NodeConditions
from pilothouse.client.recorder import Recorder
from pilothouse.linux import interfaces
from pilothouse.linux.interfaces import Address, InterfaceFailure, Link
from pilothouse.model import address_pools, meta
from pilothouse.model.address_pools import Pools
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, NODES, SERVICES
from pilothouse.model.load_balancers import (
    IPADDRESSPOOLS,
    L2ADVERTISEMENTS,
    NAMESPACE,
    SERVICEL2STATUSES,
    is_balanced,
    is_local,
    service_keys,
    serving_nodes,
)
from pilothouse.network.announce import records, surroundings
from pilothouse.network.announce.config import AnnouncerConfig
from pilothouse.network.announce.guard import Guard, Silent
from pilothouse.network.announce.holder import Holder
from pilothouse.network.announce.nodes import Nodes
from pilothouse.network.announce.plan import Announced, Lost, Planner, World
from pilothouse.network.announce.task import Task, task_of
from pilothouse.network.announce.ways import Ways

log = structlog.get_logger("network.announce")

PUBLISH_S, LOOK_S, SETTLE_S, RENEW_S = 5.0, 5.0, 0.02, 10.0
GUARD_S = 1.0
LOST_S = 60.0
"""For how long a node that has not answered is passed over; its successor has said by then that it has the addresses."""
REST = 4
"""How many times as long as a look has taken the next one waits: while much changes, looking takes a fifth of a core."""
YOUNG_S = 3.0
"""An address taken so short a time ago is not given up for what a predecessor has announced."""
YIELD_S = 5.0
OTHERS_S = 60.0
"""For how long somebody else with an address of ours is told of after he was last heard."""
CONDITION = "LoadBalancerAddressConflict"


class Announcer:
    """node: signed in as the node. informers: of the proxies' identity, asked for what is needed when this is made."""

    def __init__(
        self,
        node: Client,
        informers: Informers,
        config: AnnouncerConfig,
        *,
        conditions: NodeConditions,
        recorder: Recorder | None = None,
    ) -> None:
        self.config = config
        self._client = node
        self._conditions = conditions
        self._recorder = recorder
        self._services = informers.of(SERVICES)
        self._nodes = informers.of(NODES)
        self._slices = informers.of(ENDPOINTSLICES, indexes={"service": service_keys})
        # The kinds are custom ones: their caches begin when they are served, and nothing else of the node waits for them.
        self._own = Informers(informers.client)
        self._pools = self._own.of(IPADDRESSPOOLS, namespace=NAMESPACE)
        self._advertisements = self._own.of(L2ADVERTISEMENTS, namespace=NAMESPACE)
        self._records = self._own.of(SERVICEL2STATUSES, namespace=NAMESPACE)
        self._wake = asyncio.Event()
        self._unsaid = asyncio.Event()
        self._nodes_said = Nodes()
        self._balanced: dict[str, Object] = {}
        self._holders = records.Holders()
        self._pools_read: Pools | None = None
        self._planner = Planner(config.node)
        self._guard = Guard()
        self._lost: dict[str, float] = {}
        self._lost_at: dict[Silent, float] = {}
        self._task = Task()
        self._planned_s = 0.0
        self._yielded: dict[Address, float] = {}
        self._others: dict[Address, tuple[str, float]] = {}
        self._defended: dict[Address, float] = {}
        self._told: dict[Address, str] = {}
        self._plan: Mapping[Address, Announced] = {}
        self._services.on_change(self._service_changed)
        self._nodes.on_change(self._node_changed)
        self._slices.on_change(self._slice_changed)
        self._records.on_change(self._holders.changed)
        self._pools.on_change(self._pool_changed)
        for informer in self._own.all():
            informer.on_change(lambda old, new: self._wake.set())

    async def run(self, ready: asyncio.Event) -> None:
        """Until cancelled; what the node holds stays for its lifetime."""
        await self._nodes.wait_synced()
        await self._services.wait_synced()
        with ThreadPoolExecutor(1, "announcer") as thread:
            holder = Holder(self.config.table, self.config.valid_s, thread, self._heard)
            self._holder = holder
            try:
                async with scope() as tasks:
                    tasks.spawn(self._publish(), name="node's addresses")
                    tasks.spawn(self._own.run(), name="informers of announcements")
                    ready.set()
                    await self._slices.wait_synced()
                    await self._own.wait_synced()
                    tasks.spawn(self._say(), name="who answers for load balancers")
                    tasks.spawn(self._stand_guard(), name="guard of load balancers")
                    await self._hold()
            finally:
                holder.close()

    async def _publish(self) -> None:
        """Addresses, ports in use and links of the node, as annotations of its Node."""
        while True:
            node = self._nodes.get(self.config.node)
            try:
                links = await asyncio.to_thread(interfaces.links)
                said = await asyncio.to_thread(surroundings.annotations, self.config, links)
                if node is not None and not said.items() <= meta.annotations(node).items():
                    await self._client.patch(NODES, self.config.node, {"metadata": {"annotations": said}})
            except (ApiError, InterfaceFailure) as error:
                log.warning("the node's addresses are not said", error=error.message if isinstance(error, ApiError) else str(error))
            # A Node that is not there yet is looked for more often: Services wait for its addresses.
            await asyncio.sleep(PUBLISH_S if node is not None else 0.2)

    async def _hold(self) -> None:
        renewed_at, loop = -RENEW_S, asyncio.get_running_loop()
        while True:
            self._wake.clear()
            pause_s = LOOK_S
            try:
                await self._holder.look()
                pause_s = await self._settle()
                if self._holder.held and loop.time() - renewed_at >= RENEW_S - 0.5:
                    await self._holder.renew()
                    renewed_at = loop.time()
            except (InterfaceFailure, OSError) as failure:
                log.error("addresses of load balancers not held", error=str(failure))
            self._tell_condition()
            await asyncio.sleep(min(max(SETTLE_S, REST * self._planned_s), LOOK_S))
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _settle(self) -> float:
        """Hold what is this node's. Returns after how many seconds to look again at the latest."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._yielded = {address: at for address, at in self._yielded.items() if began - at < YIELD_S}
        links = tuple(self._holder.links.values())
        task = await asyncio.to_thread(self._look, self._world(), self._lost_now(), links, frozenset(self._yielded))
        self._planned_s = loop.time() - began
        self._plan, self._task = task.found, task
        # Once the objects name the other one as well, they are enough.
        self._yielded = {address: at for address, at in self._yielded.items() if address in task.mine}
        taken = await self._holder.settle(task.wanted, task.found)
        self._told = {address: said for address, said in self._told.items() if address in taken or address in self._others}
        for address, mac in taken.items():
            self._tell_taken(task.found[address], mac)
        self._holder.guard(task.watched)
        self._unsaid.set()
        # Whoever has to give it up does so at once, unless it is somebody who never will.
        return min((0.1 if self._node_of(mac) else LOOK_S for mac in taken.values()), default=LOOK_S)

    def _look(self, world: World, lost: Lost, links: Sequence[Link], yielded: Collection[Address]) -> Task:
        """Beside the loop: it costs some ten microseconds an address."""
        found = self._planner.plan(world, lost)
        return task_of(found, self.config.node, world.nodes, Ways.of(self.config, links), yielded)

    def _lost_now(self) -> Lost:
        now = asyncio.get_running_loop().time()
        self._lost = {name: at for name, at in self._lost.items() if now - at < LOST_S}
        self._lost_at = {silent: at for silent, at in self._lost_at.items() if now - at < LOST_S}
        addresses: dict[Address, frozenset[str]] = {}
        for name, address in self._lost_at:
            addresses[address] = addresses.get(address, frozenset()) | {name}
        return Lost(frozenset(self._lost), addresses)

    def _world(self) -> World:
        if self._pools_read is None:
            self._pools_read = address_pools.read(self._pools.items(), self.config.own_networks)
        services = list(self._balanced.values()) if self._pools_read.usable else []
        serving = {meta.key(each): serving_nodes(self._slices.by_index("service", meta.key(each))) for each in services if is_local(each)}
        labels = {meta.name(each): meta.labels(each) for each in self._pools.items()}
        nodes, told = self._nodes_said.usable(), self._advertisements.items()
        return World(services, nodes, self._pools_read, labels, told, serving, self._holders.all())

    async def _stand_guard(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(GUARD_S)
            for node in (lost := self._guard.lost())[0]:
                log.warning("a node does not answer for its addresses any more: taking over", node=node)
                self._lost[node] = loop.time()
            for node, address in lost[1]:
                self._lose(node, address)
            if any(lost):
                self._wake.set()
            said = {node: [each for each in addresses if self._has_said(node, each)] for node, addresses in self._task.guarded.items()}
            for _node, address in self._guard.questions({node: addresses for node, addresses in said.items() if addresses}, loop.time()):
                link, mac = self._task.ways[address]
                self._holder.ask(link, address, mac)

    def _has_said(self, node: str, address: Address) -> bool:
        """Whether the node has ever said that it has the address: perhaps it is only about to."""
        return address in self._plan and any(node in self._holders.of(key) for key in self._plan[address].services)

    def _lose(self, node: str, address: Address) -> None:
        """One address, while the node answers for others or there is no other to ask for."""
        log.warning("a node does not answer for an address any more: taking over", node=node, address=str(address))
        self._lost_at[node, address] = asyncio.get_running_loop().time()
        for key in self._plan[address].services if address in self._plan else ():
            service = self._services.get(key)
            if service is not None and self._recorder is not None:
                message = f"node {node} does not answer for {address} any more: node {self.config.node} takes it over"
                self._recorder.say(service, "Warning", "AddressUnanswered", message)

    def _heard(self, link: str, address: Address, mac: bytes) -> None:
        """Somebody says that he has the address. Called by the loop."""
        now = asyncio.get_running_loop().time()
        found = self._plan.get(address)
        if found is not None and self._nodes_said.has(found.owner, mac):
            self._guard.answered(found.owner, address, now)
        held = self._holder.held.get(address)
        if held is None:
            return
        if node := self._node_of(mac):
            if now - held.since > YOUNG_S:
                log.warning("another node has taken an address", address=str(address), node=node)
                self._yielded[address] = now
                self._wake.set()
            return
        self._others[address] = mac.hex(":"), now
        if now - self._defended.get(address, -OTHERS_S) > 10:
            self._defended[address] = now
            self._holder.defend(address)
            self._wake.set()

    def _node_of(self, mac: bytes) -> str:
        """The other node of the cluster that has a link with that MAC address; "" for none."""
        return self._nodes_said.other_with(mac, self.config.node)

    def _tell_taken(self, found: Announced, mac: bytes) -> None:
        """An address that cannot be taken, since somebody answers for it."""
        node = self._node_of(mac)
        is_own = any(link.mac == mac for link in self._holder.links.values())
        if node:
            log.info("address not free yet", address=str(found.address), node=node)
            return
        who = "this machine itself has it" if is_own else f"{mac.hex(':')} answers for it on the link"
        self._others[found.address] = ("this machine" if is_own else mac.hex(":"), asyncio.get_running_loop().time())
        self._tell(found, f"{found.address} is not announced: {who}; take it out of the IPAddressPool, or away from there")

    def _tell(self, found: Announced, message: str) -> None:
        if self._told.get(found.address) == message:
            return
        self._told[found.address] = message
        log.error("an address of a load balancer is somebody else's", address=str(found.address), message=message)
        for key in found.services[:10]:
            service = self._services.get(key)
            if service is not None and self._recorder is not None:
                self._recorder.say(service, "Warning", "AddressInUse", message)

    def _tell_condition(self) -> None:
        now = asyncio.get_running_loop().time()
        self._others = {address: (who, at) for address, (who, at) in self._others.items() if now - at < OTHERS_S and address in self._plan}
        node = self._nodes.get(self.config.node)
        if self._others:
            shown = "; ".join(f"{who} also has {address}" for address, (who, _) in sorted(self._others.items(), key=str)[:5])
            self._conditions.set(CONDITION, True, "AddressInUse", f"addresses of load balancers that others have: {shown}")
            for address, (who, _) in self._others.items():
                if address in self._holder.held:
                    message = f"{address} is announced by node {self.config.node} and by {who} as well: clients reach one or the other"
                    self._tell(self._plan[address], message)
        elif node is not None and meta.condition(node, CONDITION) is not None:
            self._conditions.set(CONDITION, False, "NoConflict", "nobody else answers for addresses of this node's load balancers")

    async def _say(self) -> None:
        """Keep the records in step. What cannot be written is tried again."""
        while True:
            await self._unsaid.wait()
            self._unsaid.clear()
            links = {address: held.links for address, held in self._holder.held.items()}
            try:
                await records.write(self._client, self._records.items(), self.config.node, self._plan, links, self._living())
            except ApiError as error:
                log.warning("not said who answers for load balancers", error=error.message)
                self._unsaid.set()
                await asyncio.sleep(2.0)
            await asyncio.sleep(0.1)

    def _living(self) -> frozenset[str]:
        """Nodes that are ready and answer for what they have: they take their records back themselves."""
        lost = self._lost_now()
        return self._nodes_said.living().difference(lost.nodes, *lost.addresses.values())

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None:
            self._balanced.pop(meta.key(old), None)
        if new is not None and is_balanced(new):
            self._balanced[meta.key(new)] = new
        if any(each is not None and is_balanced(each) for each in (old, new)):
            self._wake.set()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and self._nodes_said.put(new):
            self._wake.set()
        if new is None and old is not None and self._nodes_said.remove(meta.name(old)):
            self._wake.set()

    def _pool_changed(self, old: Object | None, new: Object | None) -> None:
        self._pools_read = None

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for key in service_keys(new or old or {"metadata": {}}):
            service = self._services.get(key)
            if service is not None and is_balanced(service) and is_local(service):
                self._wake.set()
