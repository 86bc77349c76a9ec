"""Parts of claimed volumes that begin with what the image has at the place where they are mounted.

Asked for by an annotation of the pod (`model.volumes.FROM_IMAGE`), which the API of Kubernetes has no field for; done once, before the part
is there. One after the other on a node: a copy takes as long as the disk does.
"""

import asyncio
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from pilothouse.engine.node.files.beneath import FOLDER, opened
from pilothouse.engine.node.files.filling import Stopped, fill
from pilothouse.engine.node.pod.environment import ConfigMissing
from pilothouse.engine.node.runtime.seam import Image
from pilothouse.engine.node.volumes.images import ImageViews
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.volumes import FROM_IMAGE


class VolumeFiller:
    def __init__(self, views: ImageViews) -> None:
        self._views = views
        self._one = asyncio.Lock()

    async def fill(self, pod: Object, container: Object, image: Image, volumes: Mapping[str, Path]) -> None:
        """volumes: where the pod's volumes are, by name. Raises ConfigMissing, RuntimeFailure, OSError."""
        missing = [mount for mount in _wanted(pod, container) if (root := volumes.get(mount["name"])) and not _is_there(root, mount)]
        if not missing:
            return
        # No volume of a pod has a name with a dot.
        uid, view = meta.uid(pod), f"fill.{container['name']}"
        async with self._one:
            await self._views.unmount(uid, view)
            root = await self._views.mount(uid, view, image)
            try:
                for mount in missing:
                    await self._filled(root, mount, volumes[mount["name"]])
            finally:
                await self._views.unmount(uid, view)

    async def _filled(self, image: Path, mount: Object, volume: Path) -> None:
        stop = threading.Event()
        work = asyncio.ensure_future(asyncio.to_thread(_fill, image, mount, volume, stop))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            # The view cannot be unmounted under its feet.
            stop.set()
            await asyncio.wait([work])
            raise
        except OSError as error:
            why = f"{error.strerror or error}: the volume may be too small for what the image has at {mount['mountPath']}"
            raise ConfigMissing(f'volume "{mount["name"]}" cannot be filled from the image: {why}') from error


def _wanted(pod: Object, container: Object) -> Iterator[Object]:
    """The container's mounts that are to begin so."""
    names = set(filter(None, meta.annotations(pod).get(FROM_IMAGE, "").split(",")))
    claimed = {each["name"] for each in pod["spec"].get("volumes") or () if each.get("persistentVolumeClaim") is not None}
    for mount in container.get("volumeMounts") or ():
        if mount["name"] in names & claimed and _is_plain(mount.get("subPath") or "") and not mount.get("readOnly"):
            yield mount


def _is_plain(name: str) -> bool:
    """One folder of the volume itself."""
    return name not in ("", ".", "..") and "/" not in name


def _is_there(volume: Path, mount: Object) -> bool:
    return os.path.lexists(volume / mount["subPath"])


def _fill(image: Path, mount: Object, volume: Path, stop: threading.Event) -> None:
    with opened(os.open(image, FOLDER)) as root, opened(os.open(volume, FOLDER)) as target:
        try:
            fill(root, mount["mountPath"], target, mount["subPath"], stop)
        except Stopped:
            return
