"""The pods and namespaces of the cluster, watched for only while there are policies."""

import asyncio
import contextlib
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.informer import ChangeCallback
from pilothouse.client.informers import Informers
from pilothouse.model.json import Object
from pilothouse.model.kinds import NAMESPACES, PODS


class Watch:
    """pod_changed, namespace_changed: called as an informer calls. failed: hears what ended the watching, which then stands still."""

    def __init__(
        self, client: Client, pod_changed: ChangeCallback, namespace_changed: ChangeCallback, failed: Callable[[BaseException], None]
    ) -> None:
        informers = Informers(client)
        self._pods, self._namespaces = informers.of(PODS), informers.of(NAMESPACES)
        self._pods.on_change(pod_changed)
        self._namespaces.on_change(namespace_changed)
        self._task = asyncio.create_task(informers.run(), name="pods of network policies")
        self._task.add_done_callback(lambda task: None if task.cancelled() or not task.exception() else failed(task.exception()))  # type: ignore[arg-type]

    @property
    def is_synced(self) -> bool:
        return self._pods.synced and self._namespaces.synced

    async def wait_synced(self) -> None:
        """Raises what has ended the watching, when that comes first."""
        synced = asyncio.ensure_future(self._both())
        try:
            await asyncio.wait({synced, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if not synced.done():
                self._task.result()
        finally:
            synced.cancel()

    async def _both(self) -> None:
        await self._namespaces.wait_synced()
        await self._pods.wait_synced()

    def pod(self, key: str) -> Object | None:
        return self._pods.get(key)

    async def end(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._task
