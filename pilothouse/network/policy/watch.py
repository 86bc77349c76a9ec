"""The pods, namespaces and nodes of the cluster, watched for only while there are policies; and the ClusterNetworkPolicies."""

import asyncio
import contextlib
from collections.abc import Callable

from pilothouse.aio.backoff import Backoff
from pilothouse.client.client import Client
from pilothouse.client.informer import ChangeCallback
from pilothouse.client.informers import Informers
from pilothouse.model.errors import ApiError, Forbidden, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NAMESPACES, NODES, PODS
from pilothouse.model.network_policies import CLUSTERNETWORKPOLICIES

Failed = Callable[[BaseException], None]
LOOK_S, MOST_LOOK_S = 0.5, 30.0
"""How soon it is looked again whether the kind of ClusterNetworkPolicies is served."""


class _Watching:
    """failed: hears what ended the watching, which then stands still."""

    def __init__(self, client: Client, failed: Failed, name: str) -> None:
        self._informers = Informers(client)
        self._failed = failed
        self._name = name
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)
        self._task.add_done_callback(self._ended)

    async def _run(self) -> None:
        await self._informers.run()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    async def _synced(self, wait: Callable[[], "asyncio.Future[None]"]) -> None:
        """Raises what has ended the watching, when that comes first."""
        assert self._task is not None
        synced = wait()
        try:
            await asyncio.wait({synced, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if not synced.done():
                self._task.result()
        finally:
            synced.cancel()

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._task


class Watch(_Watching):
    """pod_changed, namespace_changed, node_changed: called as an informer calls."""

    def __init__(
        self, client: Client, pod_changed: ChangeCallback, namespace_changed: ChangeCallback, node_changed: ChangeCallback, failed: Failed
    ) -> None:
        super().__init__(client, failed, "pods of network policies")
        self._pods, self._namespaces, self._nodes = (self._informers.of(kind) for kind in (PODS, NAMESPACES, NODES))
        self._pods.on_change(pod_changed)
        self._namespaces.on_change(namespace_changed)
        self._nodes.on_change(node_changed)
        self.begin()

    @property
    def is_synced(self) -> bool:
        return self._pods.synced and self._namespaces.synced and self._nodes.synced

    async def wait_synced(self) -> None:
        """Raises what has ended the watching, when that comes first."""
        await self._synced(lambda: asyncio.ensure_future(self._all()))

    async def _all(self) -> None:
        # Not one after the other in need: each has its first list before any of them counts.
        for informer in (self._nodes, self._namespaces, self._pods):
            await informer.wait_synced()

    @property
    def nodes(self) -> int:
        """How many there are."""
        return len(self._nodes)

    def pod(self, key: str) -> Object | None:
        return self._pods.get(key)


class ClusterPolicies(_Watching):
    """Those of the cluster, once their kind is served; a control plane of before has none, and that is known, too."""

    def __init__(self, client: Client, changed: ChangeCallback, failed: Failed) -> None:
        super().__init__(client, failed, "cluster network policies")
        self._client = client
        self._policies = self._informers.of(CLUSTERNETWORKPOLICIES)
        self._policies.on_change(changed)
        self._known = asyncio.Event()

    def __len__(self) -> int:
        return len(self._policies)

    def get(self, name: str) -> Object | None:
        return self._policies.get(name)

    async def wait_known(self) -> None:
        """Until it is known which there are. Raises what has ended the watching, when that comes first."""
        await self._synced(lambda: asyncio.ensure_future(self._known_once()))

    async def _known_once(self) -> None:
        await self._known.wait()

    async def _run(self) -> None:
        pause = Backoff(LOOK_S, cap_s=MOST_LOOK_S)
        while True:
            if await self._is_served():
                break
            await asyncio.sleep(pause.next_s())
        synced = asyncio.create_task(self._mark())
        try:
            await self._informers.run()
        finally:
            synced.cancel()

    async def _mark(self) -> None:
        await self._policies.wait_synced()
        self._known.set()

    async def _is_served(self) -> bool:
        try:
            await self._client.list_all(CLUSTERNETWORKPOLICIES)
        except (Forbidden, NotFound):
            # Forbidden: whose roles do not know the kind yet, knows the kind not either.
            self._known.set()
            return False
        except ApiError:
            return False
        return True
