"""Parts of claimed volumes that begin with what the image has at the place where they are mounted.

Asked for by an annotation of the pod (`model.volumes.FROM_IMAGE`), which the API of Kubernetes has no field for; done once, before the part
is there. One after the other for each claim, a few at a time on a node: a copy takes as long as the disk does. A volume whose server is
away holds up its own pods alone.
"""

import asyncio
import os
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

from pilothouse.aio import apart
from pilothouse.engine.node.files.beneath import FOLDER, opened
from pilothouse.engine.node.files.filling import Stopped, fill
from pilothouse.engine.node.pod.environment import ConfigMissing
from pilothouse.engine.node.runtime.seam import Image
from pilothouse.engine.node.volumes.images import ImageViews
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.volumes import FROM_IMAGE

AT_ONCE = 4
TURN_S = 60.0
"""A copy that goes on for longer lets others begin beside it: it may never end."""
LOOK_S, MOST_LOOKS = 10.0, 64
STOP_S = 5.0
"""How long a copy that is not wanted any more may go on under the image's view."""
Claim = tuple[str, str]
"""Namespace and name."""


class VolumeFiller:
    """look_s: how long a volume may take to say whether the part is there."""

    def __init__(self, views: ImageViews, *, look_s: float = LOOK_S) -> None:
        self._views = views
        self._look_s = look_s
        self._looks = apart.Apart(MOST_LOOKS)
        self._turns: WeakValueDictionary[Claim, asyncio.Lock] = WeakValueDictionary()
        self._few = asyncio.Semaphore(AT_ONCE)

    async def fill(self, pod: Object, container: Object, image: Image, volumes: Mapping[str, Path]) -> None:
        """volumes: where the pod's volumes are, by name. Raises ConfigMissing, RuntimeFailure, OSError."""
        missing = [
            mount for mount in _wanted(pod, container) if (root := volumes.get(mount["name"])) and not await self._is_there(root, mount)
        ]
        if not missing:
            return
        # No volume of a pod has a name with a dot.
        uid, view = meta.uid(pod), f"fill.{container['name']}"
        await self._views.unmount(uid, view)
        root = await self._views.mount(uid, view, image)
        try:
            for mount in missing:
                await self._filled(root, mount, volumes[mount["name"]], _claim_of(pod, mount["name"]))
        finally:
            await self._views.unmount(uid, view)

    async def _is_there(self, volume: Path, mount: Object) -> bool:
        try:
            return await self._looks.run(volume, partial(os.path.lexists, volume / mount["subPath"]), self._look_s)
        except OSError as error:
            raise ConfigMissing(f'volume "{mount["name"]}" cannot be looked into: {error.strerror or error}') from error

    async def _filled(self, image: Path, mount: Object, volume: Path, claim: Claim) -> None:
        turn = self._turns.setdefault(claim, asyncio.Lock())
        await turn.acquire()
        stop, work = threading.Event(), None
        try:
            async with self._few:
                work = apart.begin(partial(_fill, image, mount, volume, stop), f"filling of {claim[1]}")
                await asyncio.wait([work], timeout=TURN_S)
            await asyncio.shield(work)
        except asyncio.CancelledError:
            # The view should not be unmounted under its feet; a copy that is stuck keeps what it has open.
            stop.set()
            if work is not None:
                await asyncio.wait([work], timeout=STOP_S)
            raise
        except OSError as error:
            why = f"{error.strerror or error}: the volume may be too small for what the image has at {mount['mountPath']}"
            raise ConfigMissing(f'volume "{mount["name"]}" cannot be filled from the image: {why}') from error
        finally:
            # Until the copy's end nobody else copies into that volume, whoever has given up.
            if work is None or work.done():
                turn.release()
            else:
                work.add_done_callback(lambda _: turn.release())


def _claim_of(pod: Object, name: str) -> Claim:
    """Behind one of the pod's volumes that are claims."""
    volume = next(each for each in pod["spec"]["volumes"] if each["name"] == name)
    return meta.namespace(pod), volume["persistentVolumeClaim"]["claimName"]


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


def _fill(image: Path, mount: Object, volume: Path, stop: threading.Event) -> None:
    with opened(os.open(image, FOLDER)) as root, opened(os.open(volume, FOLDER)) as target:
        try:
            fill(root, mount["mountPath"], target, mount["subPath"], stop)
        except Stopped:
            return
