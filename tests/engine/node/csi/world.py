"""A node's folder, a driver of the tests and an API that says what a test wants, for what mounts the volumes of drivers."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.engine.csi.driver import Driver
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi.attaching import Attaching
from pilothouse.engine.node.csi.drivers import Drivers, ask
from pilothouse.engine.node.csi.failure import MountPending
from pilothouse.engine.node.csi.volumes import CsiVolumes
from pilothouse.engine.node.csi.wanted import Wanted, inline, of_claim
from pilothouse.engine.node.files.kubelet_root import open_root
from pilothouse.engine.node.files.mountpoints import mounts_below, unmount
from pilothouse.engine.node.pod.sources import Token
from pilothouse.model.json import Object
from tests.csi_driver.driver import FolderDriver
from tests.csi_driver.options import Options
from tests.csi_driver.store import Volume

NODE = "n1"


@dataclass
class Api:
    """What the node asks the API for. drivers: CSIDrivers by name. attachments: by name. grown: patches of claims' status.

    listed: as attached, in the node's status.
    """

    drivers: dict[str, Object] = field(default_factory=dict)
    attachments: dict[str, Object] = field(default_factory=dict)
    secrets: dict[tuple[str, str], Object] = field(default_factory=dict)
    grown: list[Object] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    issued: int = 0

    async def secret(self, namespace: str, name: str) -> Object | None:
        return self.secrets.get((namespace, name))

    async def token(self, pod: Object, audience: str, seconds: int) -> Token:
        self.issued += 1
        return Token(f"{audience}-{self.issued}", time.monotonic(), time.monotonic() + seconds, "2030-01-01T00:00:00Z")

    async def csi_driver(self, name: str) -> Object | None:
        return self.drivers.get(name)

    async def attachment(self, name: str) -> Object | None:
        return self.attachments.get(name)

    async def node(self) -> Object | None:
        return {"metadata": {"name": NODE}, "status": {"volumesAttached": [{"name": each, "devicePath": ""} for each in self.listed]}}

    async def patch_claim_status(self, claim: Object, status: Object) -> None:
        self.grown.append(status)


@dataclass
class World:
    """driver: of the tests, served by `serving`. now: seconds on the clock of `volumes`. over: uids of pods that were told."""

    config: NodeConfig
    api: Api
    driver: FolderDriver
    drivers: Drivers
    attaching: Attaching
    volumes: CsiVolumes
    now: list[float]
    over: list[str]

    def about(self, **spec: object) -> None:
        """What the CSIDriver says."""
        self.api.drivers[self.driver.options.name] = {"spec": {"attachRequired": False} | spec}

    def made(self, handle: str = "vol-1", **more: object) -> Volume:
        """A volume that the driver has."""
        volume = Volume(handle, **more)  # type: ignore[arg-type]
        self.driver.store.write(volume)
        return volume

    async def mount(self, pod: Object, asked: Wanted) -> Path:
        """However long it takes."""
        while True:
            try:
                return await self.volumes.mount(pod, asked)
            except MountPending:
                await asyncio.sleep(0.05)

    async def restarted(self) -> CsiVolumes:
        """What an agent that was killed in this moment would find, with the same drivers."""
        await self.volumes.close()
        self.attaching = Attaching(self.config, self.api, lambda: None)
        self.volumes = CsiVolumes(self.config, self.drivers, self.api, self.attaching, self.over.append, lambda: self.now[0])
        await self.volumes.open()
        return self.volumes

    def mounted(self) -> list[str]:
        root = str(self.config.kubelet_dir)
        return sorted(each.removeprefix(root + "/") for each in mounts_below(self.config.kubelet_dir) if each != root)


def pod(uid: str = "uid-1", name: str = "web", **spec: object) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "uid": uid}, "spec": {"serviceAccountName": "robot"} | spec}


def persistent(handle: str = "vol-1", **more: object) -> Wanted:
    """more: fields of the PersistentVolume's spec, beside `csi`, which is added to."""
    source = {"driver": "folders.test", "volumeHandle": handle} | dict(more.pop("csi", {}))  # type: ignore[call-overload]
    spec: Object = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "csi": source} | more
    claim: Object = {"metadata": {"name": "c", "namespace": "default"}, "status": {"capacity": {"storage": "1Gi"}}}
    return of_claim(
        {"metadata": {"name": f"pv-{handle}"}, "spec": spec}, {"name": "data", "persistentVolumeClaim": {"claimName": "c"}}, claim
    )


def inlined(of: Object, **source: object) -> Wanted:
    return inline(of, {"name": "scratch", "csi": {"driver": "folders.test"} | source})


@asynccontextmanager
async def world(options: Options | None = None, *, wait_s: float = 2.0) -> AsyncIterator[World]:
    """In a folder with a short name: paths of sockets have about a hundred characters at most."""
    folder = Path(tempfile.mkdtemp(prefix="csi-"))
    try:
        async with _opened(folder, Options() if options is None else options, wait_s) as made:
            yield made
    finally:
        for each in mounts_below(folder):
            unmount(each)
        shutil.rmtree(folder)


@asynccontextmanager
async def _opened(folder: Path, options: Options, wait_s: float) -> AsyncIterator[World]:
    config = NodeConfig(home=folder / "node", node_name=NODE, instance="pilothouse-test")
    open_root(config)
    served, api, now, over = FolderDriver(folder / "driver", options), Api(), [0.0], []  # type: ignore[var-annotated]
    drivers = Drivers(config)
    attaching = Attaching(config, api, lambda: None)
    volumes = CsiVolumes(config, drivers, api, attaching, over.append, lambda: now[0], wait_s=wait_s)
    made = World(config, api, served, drivers, attaching, volumes, now, over)
    made.about()
    socket = config.plugins_dir / options.name / "csi.sock"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(served.at(socket))
        client = Driver(options.name, socket)
        stack.push_async_callback(client.close)
        drivers.add(await ask(config, client, config.registrations_dir / "r.sock", str(socket)))
        served.calls.clear()
        await volumes.open()
        try:
            yield made
        finally:
            await made.volumes.close()
