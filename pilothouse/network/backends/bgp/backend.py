"""The back end BGP: it writes BIRD's configuration, and looks after the process.

BIRD alone makes the routes. A configuration that changes is loaded without touching sessions that stay as they are; one that does not is
not loaded at all. While BIRD is away its routes stay, in this kernel and at its neighbours, and it is started again, less and less often.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.identity import Identity, ended
from pilothouse.aio.tasks import scope
from pilothouse.model import meta
from pilothouse.model.bgp import STATUS, shown
from pilothouse.model.cluster_network import BGP as NAME
from pilothouse.network.backends.bgp import kernel
from pilothouse.network.backends.bgp.configuration import Configuration
from pilothouse.network.backends.bgp.control import ControlFailure
from pilothouse.network.backends.bgp.process import Bird, folder_of
from pilothouse.network.backends.bgp.remarks import Remark, remarks
from pilothouse.network.backends.bgp.report import CONDITION, NOT_CHOSEN, Line, lines, refused, said
from pilothouse.network.backends.bgp.routers import RouterSession, routers
from pilothouse.network.backends.bgp.sessions import NodeSession, Topology, topology
from pilothouse.network.backends.bgp.settings import BGPSettings
from pilothouse.network.backends.bgp.states import SessionState, states, with_causes
from pilothouse.network.backends.bgp.watching import Complaints, Watched
from pilothouse.network.backends.config import Address
from pilothouse.network.backends.seam import BackendFailure, Outcome, Peer, Surroundings, View

log = structlog.get_logger("network.bgp")
LOOK_S, QUIET_LOOK_S = 0.5, 5.0
SOON_S = 30.0
"""How often sessions are looked at while something is expected, and otherwise; and for how long it is expected."""
RESTART_S, MOST_RESTART_S, STEADY_S = 0.2, 30.0, 60.0
GRACE_S = 5.0
"""For how long a session may be down before it is told."""
PATIENCE_S = 10.0
PEER_REFUSED, ADVERTISEMENT_REFUSED = "BGPPeerRefused", "BGPAdvertisementRefused"


@dataclass(slots=True)
class _Known:
    """What is wanted, and what is known of BIRD. failure: why there is none, "" while it runs."""

    settings: BGPSettings = field(default_factory=BGPSettings)
    nodes: tuple[NodeSession, ...] = ()
    routers: tuple[RouterSession, ...] = ()
    refused: tuple[Line, ...] = ()
    remarks: tuple[Remark, ...] = ()
    states: dict[str, SessionState] = field(default_factory=dict)
    failure: str = ""

    def lines(self) -> list[Line]:
        settings = self.settings
        spoken = lines(self.nodes, self.routers, self.states, as_number=settings.as_number, port=settings.listen_port)
        return [*spoken, *self.refused]

    def trouble(self) -> str:
        """Why nodes are not reached, where it is known; "" where it is not."""
        return next((each.text for each in self.remarks if each.is_trouble), "")

    def told(self) -> dict[str, int]:
        """By session that is up: how many routes came by it."""
        return {name: each.imported for name, each in self.states.items() if each.is_up}


class BGP:
    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._config = around.config
        self._bird = Bird(around.config)
        self._watched = Watched(around)
        self._peers, self._advertisements = Complaints(around, PEER_REFUSED), Complaints(around, ADVERTISEMENT_REFUSED)
        self._text = ""
        self._known = _Known()
        self._is_chosen = False
        self._patience_until = self._changed_at = 0.0
        self._down_since: dict[str, float] = {}
        self._lock = asyncio.Lock()
        self._applied = asyncio.Event()

    def overhead_bytes(self, version: int) -> int:
        return 0

    async def apply(self, view: View) -> Outcome:
        self._is_chosen = view.spec.get("backend") == NAME
        if not self._is_chosen:
            # Where another one is chosen this one serves on until it is retired: its neighbours are not to lose it before that.
            return Outcome(waiting=await self._not_reached(view))
        if view.own is None or not view.own.pod_cidrs:
            return Outcome()
        settings = BGPSettings.of(view.spec)
        found = await asyncio.to_thread(topology, view, settings)
        async with self._lock:
            if self._must_wait():
                self._known.settings, self._known.nodes = settings, found.sessions
            else:
                await self._carry_out(view, view.own, settings, found)
            kept = (*self._config.clusters, *self._watched.service_networks)
            self._known.remarks = await asyncio.to_thread(remarks, view, settings, found.sessions, self._known.routers, kept)
        self._applied.set()
        waiting = await self._not_reached(view) - found.problems.keys()
        return Outcome(problems=found.problems, waiting=waiting, cause=self._known.trouble())

    async def _not_reached(self, view: View) -> frozenset[str]:
        """Raises BackendFailure."""
        reached = await asyncio.to_thread(kernel.present, self._config)
        return frozenset(name for name, peer in view.led_to.items() if not reached.issuperset(peer.pod_cidrs))

    def facts(self) -> Mapping[str, str]:
        if not self._is_chosen:
            return {STATUS: ""}
        known = self._known
        return {STATUS: shown(known.settings.as_number, [each.data() for each in known.lines()], [each.text for each in known.remarks])}

    async def run(self) -> None:
        """Keeps BIRD running, and says how its sessions are."""
        async with scope() as tasks:
            tasks.spawn(self._watched.run(), name="BGP's objects")
            tasks.spawn(self._keep(), name="BIRD")

    async def _keep(self) -> None:
        pause = Backoff(RESTART_S, cap_s=MOST_RESTART_S)
        await self._applied.wait()
        loop = asyncio.get_running_loop()
        while True:
            identity = self._bird.running()
            if identity is not None:
                began = loop.time()
                await self._watch(identity)
                if loop.time() - began > STEADY_S:
                    pause.reset()
                self._known.states = {}
            wait_s = pause.next_s()
            log.warning("BIRD has ended", again_s=wait_s)
            self._known.failure = self._known.failure or f"BIRD has ended, and is started again in {wait_s:g} s"
            self._say()
            await asyncio.sleep(wait_s)
            try:
                async with self._lock:
                    await self._bring(self._text)
            except BackendFailure as failure:
                log.warning("BIRD is not running", why=str(failure))
                self._known.failure = str(failure)

    async def retire(self) -> None:
        async with self._lock:
            self._applied.clear()
            await self._bird.end()
            await asyncio.to_thread(kernel.withdraw, self._config)
        self._around.conditions.set(CONDITION, False, NOT_CHOSEN, "nodes do not speak BGP")

    def _must_wait(self) -> bool:
        """Whether a BIRD that runs had better go on as it is for a while: with whom else it speaks, and what it announces, is not known."""
        if self._watched.is_known or self._bird.running() is None:
            return False
        now = asyncio.get_running_loop().time()
        self._patience_until = self._patience_until or now + PATIENCE_S
        return now < self._patience_until

    async def _carry_out(self, view: View, own: Peer, settings: BGPSettings, found: Topology) -> None:
        """Raises BackendFailure."""
        outside = routers(self._watched.peers, own, settings, await self._watched.passwords())
        announcements, groups, problems = await self._watched.announced(own.node, settings)
        self._known.settings, self._known.nodes, self._known.routers = settings, found.sessions, outside.sessions
        self._known.refused = refused(self._watched.peers, outside.problems)
        configuration = Configuration(
            folder=str(folder_of(self._config)),
            router_id=router_id(own),
            metric=kernel.metric(self._config),
            settings=settings,
            own=own.pod_cidrs,
            clusters=self._config.clusters,
            services=self._watched.service_networks,
            hosts=found.addresses,
            nodes=found.sessions,
            routers=outside.sessions,
            announcements=announcements,
            groups=groups,
        )
        nodes = [own.node, *(each.node for each in view.peers.values())]
        self._peers.tell(self._watched.peers, outside.problems, nodes)
        self._advertisements.tell(self._watched.advertisements, problems, nodes)
        await self._bring(await asyncio.to_thread(configuration.text))

    async def _bring(self, text: str) -> None:
        """BIRD runs with that configuration. Raises BackendFailure."""
        if self._bird.running() is None:
            self._changed_at = asyncio.get_running_loop().time()
            recovers = await asyncio.to_thread(kernel.are_there, self._config)
            await self._bird.start(text, recovers=recovers)
        elif not await asyncio.to_thread(self._bird.has, text):
            self._changed_at = asyncio.get_running_loop().time()
            await self._bird.configure(text)
        elif self._text != text:
            self._changed_at = asyncio.get_running_loop().time()
        self._text = text
        self._known.failure = ""

    async def _watch(self, identity: Identity) -> None:
        """Until it ends."""
        over = asyncio.ensure_future(ended(identity))
        try:
            while not over.done():
                before = self._known.told()
                await self._look()
                told = self._known.told()
                if before != told:
                    self._changed_at = asyncio.get_running_loop().time()
                    self._around.wake()
                self._say()
                await asyncio.wait([over], timeout=self._pause_s(told))
        finally:
            over.cancel()

    def _pause_s(self, told: Mapping[str, int]) -> float:
        """Until sessions are looked at again: what is missing is expected soon after a change."""
        is_complete = all(told.get(each.name, -1) == len(each.accepted) for each in self._known.nodes)
        is_complete = is_complete and all(each.name in told for each in self._known.routers)
        is_late = asyncio.get_running_loop().time() - self._changed_at > SOON_S
        return QUIET_LOOK_S if is_complete or is_late else LOOK_S

    async def _look(self) -> None:
        try:
            self._known.states = with_causes(states(await self._bird.command("show protocols all")), self._known.states)
        except ControlFailure as failure:
            log.warning("sessions are not known", why=str(failure))

    def _say(self) -> None:
        """Sessions that have been down for a short time only are not told of."""
        now = asyncio.get_running_loop().time()
        found = self._known.lines()
        down = {each.state.name for each in found if not each.state.is_up}
        self._down_since = {name: self._down_since.get(name, now) for name in down}
        late = {name for name, since in self._down_since.items() if now - since >= GRACE_S}
        if self._is_chosen and (late or not down or self._known.failure):
            told = said([each for each in found if each.state.is_up or each.state.name in late], self._known.failure, self._known.remarks)
            self._around.conditions.set(CONDITION, told.is_true, told.reason, told.message)


def router_id(own: Peer) -> str:
    """Its IPv4 address; of a node without one, a number that follows from its name (RFC 6286 asks for no more than one of its own)."""
    address: Address | None = own.address(4)
    if address is not None:
        return str(address)
    number = int.from_bytes(hashlib.sha256(meta.name(own.node).encode()).digest()[:4]) or 1
    return ".".join(str(each) for each in number.to_bytes(4))
