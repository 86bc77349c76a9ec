"""A cluster of store, API server and controllers in this process; its nodes are played by the tests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from structlog.testing import capture_logs

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.controllers.controllers import Controllers
from pilothouse.engine.controllers.csi.drivers import DriverCalls
from pilothouse.engine.controllers.persistentvolume.nodes import NodeVolumes
from pilothouse.engine.store import Store
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS, SERVICEACCOUNTS
from pilothouse.model.resource import Resource
from pilothouse.wire.pki import CertificateAuthority
from tests.people import ADMIN, CONTROLLER_MANAGER, client_of, controller_client, refused_parts

# Without it pytest-asyncio makes a loop that nobody closes when a test that is no coroutine comes before one that is.
asyncio.set_event_loop(None)

DEADLINE_S = 10.0


class Cluster:
    """What a test does with the cluster. The kubelet's part is played by `run_pods`."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self.client = client
        self.informers = informers
        self._pods_ready = False

    async def create(self, resource: Resource, obj: Object, namespace: str = "default") -> Object:
        return await self.client.create(resource, obj, namespace if resource.namespaced else None)

    async def patch(self, resource: Resource, name: str, patch: Any, namespace: str = "default") -> Object:
        return await self.client.patch(resource, name, patch, namespace=namespace if resource.namespaced else None)

    async def get(self, resource: Resource, name: str, namespace: str = "default") -> Object | None:
        return await self.client.get_or_none(resource, name, namespace if resource.namespaced else None)

    async def items(self, resource: Resource, namespace: str | None = "default") -> list[Object]:
        return (await self.client.list(resource, namespace)).items

    async def until(
        self, resource: Resource, holds: Callable[[list[Object]], Any], what: str = "", namespace: str | None = "default"
    ) -> Any:
        """Wait until the objects of a resource (in a namespace) fulfil a condition; returns what it returned."""
        async with watched(self.client, resource, namespace) as informer:
            changed = asyncio.Event()
            informer.on_change(lambda old, new: changed.set())
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await informer.wait_synced()
                    while not (found := holds(informer.items())):
                        changed.clear()
                        await changed.wait()
            except TimeoutError:
                raise AssertionError(f"{what or holds} never held for {resource.plural}: {informer.items()}") from None
            return found

    async def until_one(self, resource: Resource, name: str, holds: Callable[[Object], Any], namespace: str = "default") -> Object:
        def found(items: list[Object]) -> Object | None:
            return next((each for each in items if meta.name(each) == name and holds(each)), None)

        found_one: Object = await self.until(resource, found, f"{name}", namespace if resource.namespaced else None)
        return found_one

    async def set_pod(self, pod: Object, **status: Any) -> Object:
        return await self.client.patch(PODS, meta.name(pod), {"status": status}, namespace=meta.namespace(pod), subresource="status")

    async def make_ready(self, pod: Object, ip: str = "10.1.0.1") -> Object:
        stamp = "2026-01-01T00:00:00Z"
        ready = [{"type": "Ready", "status": "True", "lastTransitionTime": stamp}]
        return await self.set_pod(pod, phase="Running", conditions=ready, podIP=ip, podIPs=[{"ip": ip}], startTime=stamp)

    async def make_unready(self, pod: Object) -> Object:
        return await self.set_pod(pod, conditions=[{"type": "Ready", "status": "False"}])


@asynccontextmanager
async def watched(client: Client, resource: Resource, namespace: str | None) -> AsyncIterator[Informer]:
    informer = Informer(client, resource, namespace=namespace)
    async with scope() as tasks:
        tasks.spawn(informer.run())
        yield informer
        tasks.cancel()


@asynccontextmanager
async def kubelet(cluster: Cluster, ready: bool = True, but: str = "") -> AsyncIterator[None]:
    """Plays a node for every pod: a pod that is made becomes ready, unless it is of the image `but`; one that is being deleted goes."""
    queue: asyncio.Queue[Object] = asyncio.Queue()

    async def serve() -> None:
        number = 0
        while True:
            pod = await queue.get()
            number += 1
            with suppress(NotFound):
                if meta.is_deleting(pod):
                    await cluster.client.delete(PODS, meta.name(pod), meta.namespace(pod), grace_s=0)
                elif ready and pod["spec"]["containers"][0]["image"] != but:
                    await cluster.make_ready(pod, f"10.1.{number // 250}.{number % 250 + 1}")

    def changed(old: Object | None, new: Object | None) -> None:
        if new is not None and (old is None or meta.is_deleting(new) != meta.is_deleting(old)):
            queue.put_nowait(new)

    async with watched(cluster.client, PODS, None) as informer, scope() as tasks:
        informer.on_change(changed)
        tasks.spawn(serve())
        yield
        tasks.cancel()


T = TypeVar("T")


@asynccontextmanager
async def held(context: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """The context entered and left by one task: a fixture's two halves are run by two, which a task group inside would not survive."""
    opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    closing = asyncio.Event()

    async def hold() -> None:
        async with context as value:
            opened.set_result(value)
            await closing.wait()

    task = asyncio.ensure_future(hold())
    await asyncio.wait((task, opened), return_when=asyncio.FIRST_COMPLETED)
    if not opened.done():
        await task
    yield opened.result()
    closing.set()
    await task


@asynccontextmanager
async def api_server(directory: Path, state: Path, **settings: Any) -> AsyncIterator[ApiServer]:
    async with Store.open(directory / "state.db") as store, ApiServer.open(store, Settings(state=state, **settings)) as opened:
        yield opened


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all servers of a run: the token key and the compact schemas take a while to make."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def server(tmp_path: Path, state: Path) -> AsyncIterator[ApiServer]:
    async with held(api_server(tmp_path, state)) as opened:
        yield opened


@pytest.fixture
async def client(server: ApiServer) -> Client:
    """An administrator's."""
    return client_of(server, ADMIN)


@asynccontextmanager
async def controlled(
    server: ApiServer,
    authority: CertificateAuthority | None = None,
    node_volumes: NodeVolumes | None = None,
    driver_calls: DriverCalls | None = None,
) -> AsyncIterator[Cluster]:
    """With all controllers, each signed in as itself; the cluster's client is an administrator's. None of them is ever refused."""
    manager = client_of(server, CONTROLLER_MANAGER)
    informers = Informers(manager)
    recorder = Recorder(manager, None, "controllers")
    controllers = Controllers(
        partial(controller_client, server),
        informers,
        recorder,
        root_ca="PEM",
        authority=None if authority is None else lambda: authority,
        node_volumes=node_volumes,
        driver_calls=driver_calls,
    )
    async with scope() as tasks:
        tasks.spawn(recorder.run())
        tasks.spawn(informers.run())
        await tasks.start(controllers.run)
        yield Cluster(client_of(server, ADMIN), informers)
        tasks.cancel()
    assert not refused_parts(server)


@pytest.fixture
async def cluster(server: ApiServer, authority: CertificateAuthority) -> AsyncIterator[Cluster]:
    """With all controllers running."""
    async with held(controlled(server, authority)) as found:
        await found.until_one(SERVICEACCOUNTS, "default", lambda _: True)
        yield found


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """Kept, not printed: what controllers log when a test has them fail."""
    with capture_logs() as captured:
        yield captured
