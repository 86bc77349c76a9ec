"""Images as volumes: a read-only view of an image's layers, mounted in the pod's folder.

The view holds the layers, so that the image may be removed meanwhile; it goes with the pod. What there is follows from the folders, so
that an agent that starts anew finds its way.
"""

import asyncio
from pathlib import Path

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.layers import mount_layers
from pilothouse.engine.node.files.mountpoints import is_mounted, unmount
from pilothouse.engine.node.runtime.seam import Image, Runtime

KIND = "kubernetes.io~image"


class ImageViews:
    def __init__(self, config: NodeConfig, runtime: Runtime) -> None:
        self._config = config
        self._runtime = runtime

    def _folder(self, uid: str) -> Path:
        return self._config.pod_dir(uid) / "volumes" / KIND

    async def mounted(self, uid: str, name: str) -> Path | None:
        """Where the volume is; None when it is not mounted."""
        path = self._folder(uid) / name
        return path if await asyncio.to_thread(is_mounted, path) else None

    async def mount(self, uid: str, name: str, image: Image) -> Path:
        """Raises RuntimeFailure, OSError."""
        path, empty = self._folder(uid) / name, self._config.pod_dir(uid) / "empty"
        # Before the view: what has a folder is dropped with the pod.
        for folder in (path, empty):
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        layers = await self._runtime.view(image.id, _key(uid, name))
        await asyncio.to_thread(mount_layers, layers, empty, path)
        return path

    async def unmount(self, uid: str, name: str) -> None:
        """One of the pod's, before its end; doing it again is no failure. Raises RuntimeFailure, OSError."""
        path = self._folder(uid) / name
        if await asyncio.to_thread(path.is_dir):
            await asyncio.to_thread(unmount, path)
            await self._runtime.drop_view(_key(uid, name))
            await asyncio.to_thread(path.rmdir)

    async def drop(self, uid: str) -> None:
        """Everything that the pod had of images; doing it again is no failure. Raises RuntimeFailure, OSError."""
        for path in await asyncio.to_thread(_folders, self._folder(uid)):
            await asyncio.to_thread(unmount, path)
            await self._runtime.drop_view(_key(uid, path.name))


def _key(uid: str, name: str) -> str:
    return f"pilothouse-volume-{uid}-{name}"


def _folders(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
