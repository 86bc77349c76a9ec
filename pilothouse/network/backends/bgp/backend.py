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
from pilothouse.model import meta
from pilothouse.model.cluster_network import BGP as NAME
from pilothouse.network.backends.bgp import kernel
from pilothouse.network.backends.bgp.configuration import Configuration
from pilothouse.network.backends.bgp.control import ControlFailure
from pilothouse.network.backends.bgp.process import Bird, folder_of
from pilothouse.network.backends.bgp.sessions import Topology, is_reflector, topology
from pilothouse.network.backends.bgp.settings import BGPSettings
from pilothouse.network.backends.bgp.states import SessionState, states
from pilothouse.network.backends.config import Address
from pilothouse.network.backends.seam import BackendFailure, Outcome, Peer, Surroundings, View

log = structlog.get_logger("network.bgp")
LOOK_S, QUIET_LOOK_S = 0.5, 5.0
"""How often sessions are looked at while one is not up, and while all are."""
RESTART_S, MOST_RESTART_S, STEADY_S = 0.2, 30.0, 60.0


@dataclass(slots=True)
class _Known:
    """What is known of BIRD. failure: why there is none, "" while it runs."""

    topology: Topology = field(default_factory=lambda: Topology((), {}))
    states: dict[str, SessionState] = field(default_factory=dict)
    failure: str = ""


class BGP:
    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._config = around.config
        self._bird = Bird(around.config)
        self._text = ""
        self._known = _Known()
        self._lock = asyncio.Lock()
        self._applied = asyncio.Event()

    def overhead_bytes(self, version: int) -> int:
        return 0

    async def apply(self, view: View) -> Outcome:
        if view.spec.get("backend") != NAME:
            # Another one is chosen, and this one serves on until it is retired: its neighbours are not to lose it before that.
            return Outcome()
        if view.own is None or not view.own.pod_cidrs:
            return Outcome()
        settings = BGPSettings.of(view.spec)
        found = topology(view, settings)
        async with self._lock:
            self._known.topology = found
            await self._bring(self._configuration(view.own, settings, found).text())
        self._applied.set()
        reached = await asyncio.to_thread(kernel.present, self._config)
        waiting = {name for name, peer in view.peers.items() if not reached.issuperset(peer.pod_cidrs)}
        return Outcome(problems=found.problems, waiting=frozenset(waiting - found.problems.keys()))

    def facts(self) -> Mapping[str, str]:
        return {}

    async def run(self) -> None:
        """Keeps BIRD running, and says how its sessions are."""
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
            wait_s = pause.next_s()
            log.warning("BIRD has ended", again_s=wait_s)
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

    async def _bring(self, text: str) -> None:
        """BIRD runs with that configuration. Raises BackendFailure."""
        identity = self._bird.running()
        if identity is None:
            recovers = await asyncio.to_thread(kernel.are_there, self._config)
            await self._bird.start(text, recovers=recovers)
        elif not self._bird.has(text):
            await self._bird.configure(text)
        self._text = text
        self._known.failure = ""

    async def _watch(self, identity: Identity) -> None:
        """Until it ends."""
        over = asyncio.ensure_future(ended(identity))
        try:
            while not over.done():
                before = self._told()
                await self._look()
                told = self._told()
                if before != told:
                    self._around.wake()
                is_quiet = all(told.get(each.name, 0) == len(each.accepted) for each in self._known.topology.sessions)
                await asyncio.wait([over], timeout=QUIET_LOOK_S if is_quiet else LOOK_S)
        finally:
            over.cancel()

    def _told(self) -> dict[str, int]:
        """By session that is up: how many routes came by it."""
        return {name: each.imported for name, each in self._known.states.items() if each.is_up}

    async def _look(self) -> None:
        try:
            self._known.states = states(await self._bird.command("show protocols all"))
        except ControlFailure as failure:
            log.warning("sessions are not known", why=str(failure))

    def _configuration(self, own: Peer, settings: BGPSettings, found: Topology) -> Configuration:
        return Configuration(
            folder=str(folder_of(self._config)),
            router_id=router_id(own),
            metric=kernel.metric(self._config),
            settings=settings,
            own=own.pod_cidrs,
            clusters=self._config.clusters,
            nodes=found.sessions,
            is_reflector=is_reflector(own, settings),
        )


def router_id(own: Peer) -> str:
    """Its IPv4 address; of a node without one, a number that follows from its name (RFC 6286 asks for no more than one of its own)."""
    address: Address | None = own.address(4)
    if address is not None:
        return str(address)
    number = int.from_bytes(hashlib.sha256(meta.name(own.node).encode()).digest()[:4]) or 1
    return ".".join(str(each) for each in number.to_bytes(4))
