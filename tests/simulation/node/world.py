"""A node's agent, killed and started again as its supervisor would, with the API server, the runtime and the machine that outlive it."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.aio.tasks import NotReady, scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.node.agent import NodeAgent
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, NODES, SERVICEACCOUNTS
from tests.people import ADMIN, client_of, node, refused_parts
from tests.simulation.fake_runtime import FakeRuntime
from tests.simulation.memory_store import MemoryStore
from tests.simulation.node.host import Host
from tests.simulation.node.wires import ApiWire, RuntimeWire, Troubles

NODE, HOST_IP = "node-1", "192.0.2.1"
AGAIN_S = 0.2


@dataclass(slots=True)
class Life:
    """One life of the agent's process."""

    agent: NodeAgent
    runtime: RuntimeWire
    api: ApiWire
    task: "asyncio.Task[None]"


@dataclass(slots=True)
class World:
    """folder: of the node's files. state: of API servers, kept between worlds since a key and the schemas take long to make.

    life: None while no agent runs. disturbed_at: when something was wrong last, in seconds of the loop's clock.
    """

    folder: Path
    state: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    host: Host = field(default_factory=Host)
    api_troubles: Troubles = field(default_factory=Troubles)
    runtime_troubles: Troubles = field(default_factory=Troubles)
    life: Life | None = None
    disturbed_at: float = 0.0
    _server: ApiServer | None = None
    _admin: Client | None = None

    @property
    def client(self) -> Client:
        """The administrator's, over a wire without troubles."""
        assert self._admin is not None
        return self._admin

    @property
    def agent(self) -> NodeAgent:
        assert self.life is not None, "an agent runs"
        return self.life.agent

    @property
    def is_troubled(self) -> bool:
        return self.life is None or self.api_troubles.any or self.runtime_troubles.any

    async def run(self, ready: asyncio.Event) -> None:
        """Until cancelled. ready: when the first agent has told of a node that is Ready."""
        with self.host.stands_in():
            async with ApiServer.open(self.store, Settings(state=self.state)) as server, scope() as tasks:
                self._server, self._admin = server, client_of(server, ADMIN)
                await self._first_objects()
                self.start_agent()
                tasks.spawn(self._note_disturbance(), name="disturbance")
                await self._node_is_ready()
                ready.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    await self.kill_agent(goes_on=False)
                    await self.runtime.close()
            assert not refused_parts(server)

    async def _first_objects(self) -> None:
        await self.client.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": "default"}})
        await self.client.create(CONFIGMAPS, {"metadata": {"name": "kube-root-ca.crt", "namespace": "default"}, "data": {"ca.crt": "PEM"}})

    async def _node_is_ready(self) -> None:
        found: Object | None = None
        while found is None:
            found = await self.client.get_or_none(NODES, NODE)
            await asyncio.sleep(0.01)

    async def _note_disturbance(self) -> None:
        while True:
            if self.is_troubled:
                self.disturb()
            await asyncio.sleep(0.2)

    def disturb(self) -> None:
        self.disturbed_at = asyncio.get_running_loop().time()

    # The agent's process.

    def start_agent(self) -> None:
        assert self.life is None
        assert self._server is not None
        config = NodeConfig(self.folder, NODE, "pilothouse-test", addresses=(HOST_IP,), pod_cidrs=("10.9.0.0/16",))
        config.containerd_dir.mkdir(parents=True, exist_ok=True)
        api = ApiWire(InProcessTransport(self._server, node(NODE)), self.api_troubles)
        runtime = RuntimeWire(self.runtime, self.runtime_troubles)
        client = Client(api, field_manager=NODE)
        recorder = Recorder(client, None, "kubelet", NODE)
        agent = NodeAgent(client, runtime, config, recorder, EndpointBarrier())
        self.life = Life(agent, runtime, api, asyncio.ensure_future(self._live(agent, recorder)))

    async def _live(self, agent: NodeAgent, recorder: Recorder) -> None:
        """What the supervisor starts. An agent that cannot begin for want of its runtime ends, and is made anew."""
        try:
            async with scope() as tasks:
                tasks.spawn(recorder.run(), name="events")
                tasks.spawn(agent.run(asyncio.Event()), name="agent")
        except* (RuntimeFailure, ApiError, NotReady):
            asyncio.get_running_loop().call_later(AGAIN_S, self._begin_again, agent)

    def _begin_again(self, ended: NodeAgent) -> None:
        if self.life is not None and self.life.agent is ended:
            self.life = None
            self.start_agent()

    async def kill_agent(self, *, goes_on: bool) -> None:
        """As SIGKILL would. goes_on: whether what the runtime was asked for at that moment is still done."""
        life, self.life = self.life, None
        if life is None:
            return
        life.api.cut()
        life.runtime.cut(goes_on=goes_on)
        life.task.cancel()
        await asyncio.wait([life.task])
        self.disturb()

    async def restart_machine(self) -> None:
        """Everything that ran is gone, what was written to disks is there."""
        await self.kill_agent(goes_on=False)
        self.runtime.restart_machine()
        self.host.restart()
        self.start_agent()

    async def calm(self) -> None:
        """Nothing is wrong any more."""
        self.api_troubles.mend()
        self.runtime_troubles.mend()
        if self.life is None:
            self.start_agent()


class Clock:
    """The machine's clock, which somebody may set."""

    def __init__(self, loop: asyncio.AbstractEventLoop, began: float) -> None:
        self._loop = loop
        self.began = began

    def __call__(self) -> float:
        return self.began + self._loop.time()

    def jump(self, seconds: float) -> None:
        self.began += seconds
