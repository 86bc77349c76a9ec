"""The databases' controller on the engine's API server and controllers, all in this process; nodes and agents are played."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from pilothouse.aio.tasks import scope
from pilothouse.cli.daemon.rights import secret_readers
from pilothouse.client import crds
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model import kinds, meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.oci.packages.programs import Image
from pilothouse.platform import rights
from pilothouse.platform.databases.mysql import labels, names, tls
from pilothouse.platform.databases.mysql.accounts.controller import AccountController
from pilothouse.platform.databases.mysql.agents import Place
from pilothouse.platform.databases.mysql.controller import InstanceController
from pilothouse.platform.databases.mysql.images import Asked, Ensure
from pilothouse.platform.databases.mysql.types import MYSQL, MYSQL_DATABASE, MYSQL_USER
from pilothouse.platform.databases.pattern.types import BACKUP, BACKUP_STORE, BINDING
from pilothouse.platform.databases.resource import MYSQLS
from tests.engine.controllers.conftest import Cluster, api_server, controlled, watched
from tests.people import client_of, platform_part
from tests.platform.databases.fake_agent import FakeAgent

TYPES = (MYSQL, MYSQL_DATABASE, MYSQL_USER, BACKUP, BACKUP_STORE, BINDING)
IMAGE = Image("127.0.0.1:5000/databases/mariadb:10.11.18", "10.11.18")
PROGRAM = b"PK agent"
STAMP = "2026-01-01T00:00:00Z"


async def ensure_image(asked: Asked) -> Image:
    return IMAGE


class Nodes:
    """Plays the node and the agent of every member. An agent's data lie in its claim: they outlive its pod, not the claim.

    holds: says of a pod's name that it does not start. orders: all that members were told, with their names, in order.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.agents: dict[str, FakeAgent] = {}
        self.holds: Callable[[str], bool] = lambda name: False
        self._folder = folder
        self._running: dict[str, AsyncExitStack] = {}
        self._queue: asyncio.Queue[Object] = asyncio.Queue()
        self.orders: list[tuple[str, Object]] = []

    def place(self, pod: Object) -> Place | None:
        agent = self.agents.get(meta.name(pod))
        found = Place.of(pod)
        if found is None or agent is None or not agent.port:
            return None
        return Place(found.member, "127.0.0.1", found.name, agent.port)

    async def run(self) -> None:
        async with watched(self.cluster.client, kinds.PODS, None) as informer:
            informer.on_change(lambda old, new: self._queue.put_nowait(new) if new is not None else None)
            try:
                while True:
                    pod = await self._queue.get()
                    with suppress(NotFound):
                        await self._serve(pod)
            finally:
                for stack in self._running.values():
                    await stack.aclose()

    async def _serve(self, pod: Object) -> None:
        uid, name = meta.uid(pod), meta.name(pod)
        if meta.is_deleting(pod):
            stack = self._running.pop(uid, None)
            if stack is not None:
                await stack.aclose()
            await self.cluster.client.delete(kinds.PODS, name, meta.namespace(pod), grace_s=0)
        elif uid not in self._running and not self.holds(name):
            self._running[uid] = await self._start(pod)
            await self.show(name, meta.namespace(pod))
        elif uid in self._running:
            await self._resized(pod)

    async def _start(self, pod: Object) -> AsyncExitStack:
        name, instance = meta.name(pod), meta.labels(pod)[labels.INSTANCE]
        secret = await self.cluster.get(kinds.SECRETS, names.tls(instance), meta.namespace(pod))
        claim = await self.cluster.get(kinds.PERSISTENTVOLUMECLAIMS, names.claim(name), meta.namespace(pod))
        assert claim is not None
        before = self.agents.get(name)
        agent = FakeAgent(name, meta.uid(claim), tls.files(secret), self._folder / meta.uid(pod), self.orders)
        if before is not None and before.state["uid"] == meta.uid(claim):
            agent.state |= {"data": before.state["data"]}
            agent.term = before.term
        self.agents[name] = agent
        stack = AsyncExitStack()
        await stack.enter_async_context(agent.serving())
        return stack

    async def show(self, name: str, namespace: str = "default", *, ready: bool = True) -> None:
        """The pod as its node says it."""
        pod = await self.cluster.get(kinds.PODS, name, namespace)
        assert pod is not None
        await self.cluster.set_pod(
            pod,
            phase="Running",
            podIP="10.1.0.1",
            podIPs=[{"ip": "10.1.0.1"}],
            startTime=STAMP,
            conditions=[{"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": STAMP}],
            containerStatuses=[_running(each) for each in pod["spec"]["containers"]],
        )

    async def crash(self, name: str, namespace: str = "default") -> None:
        """Its agent ends again and again."""
        self.agents[name].silent = True
        pod = await self.cluster.get(kinds.PODS, name, namespace)
        assert pod is not None
        shown = [_running(each) for each in pod["spec"]["containers"]]
        shown[-1] |= {"ready": False, "started": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
        await self.cluster.set_pod(pod, **pod["status"] | {"containerStatuses": shown})

    async def _resized(self, pod: Object) -> None:
        shown = {each["name"]: each.get("resources") for each in (pod.get("status") or {}).get("containerStatuses") or ()}
        if shown and any(shown[each["name"]] != each["resources"] for each in pod["spec"]["containers"]):
            await self.show(meta.name(pod), meta.namespace(pod))


def _running(container: Object) -> Object:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": container["image"],
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": STAMP}},
        "resources": container["resources"],
    }


@asynccontextmanager
async def api_server_for_databases(folder: Path) -> AsyncIterator[ApiServer]:
    known = {"cluster_roles": rights.cluster_roles(), "cluster_role_bindings": rights.cluster_role_bindings()}
    async with api_server(folder, folder / "keys", secret_readers=secret_readers(), **known) as server:
        await crds.install(client_of(server, platform_part(rights.SETUP)), TYPES)
        yield server


@asynccontextmanager
async def operator(
    server: ApiServer, nodes: Nodes, client: Client | None = None, program: bytes = PROGRAM, image: Ensure = ensure_image
) -> AsyncIterator[InstanceController]:
    """One operator; several may be at work on one server. client: of the operator itself; its events and accounts have others."""
    accounting, saying = (client_of(server, platform_part(part)) for part in (rights.DATABASES, rights.SETUP))
    client = client or accounting
    recorder, informers, others = Recorder(saying, None, "pilothouse"), Informers(client), Informers(accounting)
    accounts = AccountController(accounting, others, recorder)
    found = InstanceController(client, informers, recorder, image, program, accounts, place=nodes.place)
    async with scope() as tasks:
        tasks.spawn(recorder.run())
        await tasks.start(others.run)
        await tasks.start(informers.run)
        tasks.spawn(accounts.run())
        tasks.spawn(found.run())
        yield found
        tasks.cancel()


@asynccontextmanager
async def nodes_of(folder: Path) -> AsyncIterator[tuple[ApiServer, Cluster, Nodes]]:
    """Without an operator."""
    async with api_server_for_databases(folder) as server, controlled(server) as cluster, scope() as tasks:
        nodes = Nodes(cluster, folder / "agents")
        tasks.spawn(nodes.run())
        yield server, cluster, nodes
        tasks.cancel()


@asynccontextmanager
async def operated(folder: Path) -> AsyncIterator[tuple[Cluster, Nodes]]:
    async with nodes_of(folder) as (server, cluster, nodes), operator(server, nodes):
        yield cluster, nodes


def instance(name: str = "orders", **spec: object) -> Object:
    return {"metadata": {"name": name}, "spec": {"replicas": 1, **spec}}


def serves(obj: Object) -> bool:
    return meta.is_true(obj, "Ready") and obj["status"]["observedGeneration"] == meta.generation(obj)


def says(kind: str, reason: str) -> Callable[[Object], bool]:
    """Whether the condition of that type has the reason."""
    return lambda obj: (meta.condition(obj, kind) or {}).get("reason") == reason


async def gone(cluster: Cluster, name: str = "orders") -> None:
    await cluster.until(MYSQLS, lambda items: not [each for each in items if meta.name(each) == name])
