"""Volumes that the cluster attaches: the node says which it has in use, and waits until a VolumeAttachment says that one is here.

A volume counts as in use from before it is mounted until after it has been let go, and nothing is mounted before the Node's status has said
so: whoever detaches volumes looks there. Nor before the status, read after that, lists it as attached: whoever detaches takes it off the
list first, in a write that fails when the status has changed. So a detachment that has begun is seen here, and none begins from then on.
Source: kubernetes pkg/kubelet/volumemanager, pkg/volume/csi/csi_attacher.go, pkg/volume/util/operationexecutor
(GenerateVerifyControllerAttachedVolumeFunc).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi.failure import ATTACH, MountFailed
from pilothouse.engine.node.csi.records import Key
from pilothouse.engine.node.csi.sources import CsiSources
from pilothouse.model.csi import attachment_name, unique_name
from pilothouse.model.json import Object

REPORT_S, ATTACH_S = 30.0, 120.0
LOOK_FIRST_S, LOOK_MOST_S = 0.1, 3.0


class Attaching:
    """changed(): the volumes in use are others now, and the Node's status should say so soon."""

    def __init__(self, config: NodeConfig, sources: CsiSources, changed: Callable[[], None]) -> None:
        self._config = config
        self._sources = sources
        self._changed = changed
        self._in_use: set[Key] = set()
        self._reported: frozenset[str] = frozenset()
        self._news = asyncio.Event()

    def in_use(self) -> list[str]:
        """As the Node's status names them."""
        return sorted(unique_name(*key) for key in self._in_use)

    def reported(self, names: Iterable[str]) -> None:
        """The Node's status says that these are in use.

        What was let go while the report was under way does not count: the next one, which may be under way before it is taken again, will
        not have it.
        """
        self._reported = frozenset(names) & frozenset(self.in_use())
        self._news.set()

    def keys(self) -> set[Key]:
        return set(self._in_use)

    def take(self, keys: Iterable[Key]) -> None:
        before = len(self._in_use)
        self._in_use.update(keys)
        if len(self._in_use) != before:
            self._changed()

    def let_go(self, key: Key) -> None:
        if key in self._in_use:
            self._in_use.discard(key)
            self._reported -= {unique_name(*key)}
            self._changed()

    async def attached(self, key: Key) -> Mapping[str, str]:
        """What the driver's controller has said of the attachment, for the node's part. Raises MountFailed, ApiError."""
        self.take([key])
        await self._told(unique_name(*key))
        name, pause_s, is_listed = attachment_name(*key, self._config.node_name), LOOK_FIRST_S, False
        why = "it is not attached to this node yet"
        try:
            async with asyncio.timeout(ATTACH_S):
                while True:
                    found = await self._sources.attachment(name)
                    status = (found or {}).get("status") or {}
                    if found is not None and found["metadata"].get("deletionTimestamp"):
                        raise MountFailed("volume attachment is being deleted", ATTACH)
                    if status.get("attached") and is_listed:
                        return dict(status.get("attachmentMetadata") or {})
                    if status.get("attached") and (is_listed := await self._is_listed(unique_name(*key))):
                        # What was read before may be of an earlier one.
                        continue
                    if error := (status.get("attachError") or {}).get("message"):
                        raise MountFailed(error, ATTACH)
                    why = _lacking(found)
                    await asyncio.sleep(pause_s)
                    pause_s = min(LOOK_MOST_S, pause_s * 1.5)
        except TimeoutError:
            raise MountFailed(f"{why}: waited {ATTACH_S:.0f} seconds for VolumeAttachment {name}", ATTACH) from None

    async def _is_listed(self, name: str) -> bool:
        status = (await self._sources.node() or {}).get("status") or {}
        return any(each.get("name") == name for each in status.get("volumesAttached") or ())

    async def _told(self, name: str) -> None:
        try:
            async with asyncio.timeout(REPORT_S):
                while name not in self._reported:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise MountFailed("the node could not report that it uses the volume", ATTACH) from None


def _lacking(attachment: Object | None) -> str:
    """What is waited for."""
    if attachment is None:
        return "there is no VolumeAttachment for it yet"
    if (attachment.get("status") or {}).get("attached"):
        return "the node's status does not list it as attached yet"
    return "nobody has attached it to this node yet"
