"""A cluster whose nodes have the tests' storage driver: real gRPC and real folders, in this process."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.csi.driver import Driver
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.engine.csi.methods import A, Method, Q
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSIDRIVERS, CSINODES, EVENTS, NODES, PERSISTENTVOLUMECLAIMS, STORAGECLASSES
from tests.csi_driver.driver import FolderDriver
from tests.csi_driver.options import Options
from tests.engine.controllers.conftest import Cluster, controlled, held
from tests.engine.controllers.persistentvolume.objects import claim, fresh, node

DRIVER = "folders.test"
ZONE = "folders.test/zone"


@dataclass
class Sockets:
    """Reaches the drivers of nodes by their sockets. asked: (node, name of the method), in order. away: nodes that do not answer."""

    drivers: dict[tuple[str, str], Driver] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    away: set[str] = field(default_factory=set)

    async def call(self, node: str, driver: str, method: Method[Q, A], request: Q, timeout_s: float) -> A:
        self.asked.append((node, method.name))
        found = self.drivers.get((node, driver))
        if found is None or node in self.away:
            raise CsiFailure(driver, method.name, f"node {node} does not answer", "UNAVAILABLE")
        return await found.call(method, request, timeout_s)


@dataclass
class Place:
    """A cluster and the driver that its nodes share."""

    cluster: Cluster
    driver: FolderDriver
    sockets: Sockets

    async def register(self, *names: str, zone: str = "", allocatable: int | None = None) -> None:
        """Nodes with the driver on them; zone: where they are in its eyes."""
        for name in names:
            made = node(name)
            if zone:
                made["metadata"]["labels"][ZONE] = zone
            await self.cluster.create(NODES, made)
            entry: Object = {"name": DRIVER, "nodeID": f"id-of-{name}", "topologyKeys": [ZONE] if zone else []}
            if allocatable is not None:
                entry["allocatable"] = {"count": allocatable}
            await self.cluster.create(CSINODES, {"metadata": {"name": name}, "spec": {"drivers": [entry]}})

    async def serve(self, parts: str = "all", **spec: Any) -> None:
        annotations = {"csi.pilothouse.dev/sidecars": parts}
        await self.cluster.create(CSIDRIVERS, {"metadata": {"name": DRIVER, "annotations": annotations}, "spec": spec})

    async def storage_class(self, name: str = "folders", parameters: dict[str, str] | None = None, **more: Any) -> None:
        made = {"metadata": {"name": name}, "provisioner": DRIVER, "parameters": parameters or {}, "allowVolumeExpansion": True}
        await self.cluster.create(STORAGECLASSES, made | more)

    async def claim(self, name: str = "data", size: str = "1Gi", storage_class: str = "folders", **spec: Any) -> Object:
        return await self.cluster.create(PERSISTENTVOLUMECLAIMS, fresh(claim(name, size, storage_class, **spec)))

    async def bound(self, name: str = "data") -> Object:
        return await self.cluster.until_one(PERSISTENTVOLUMECLAIMS, name, lambda obj: obj["status"].get("phase") == "Bound")

    async def said(self, reason: str, words: str = "", namespace: str = "default") -> str:
        def find(items: list[Object]) -> str | None:
            return next((each["message"] for each in items if each["reason"] == reason and words in each["message"]), None)

        found: str = await self.cluster.until(EVENTS, find, f"{reason} {words}", namespace)
        return found

    async def until_removed(self) -> None:
        """The driver has no volumes any more."""
        async with asyncio.timeout(10):
            while self.volumes():
                await asyncio.sleep(0.05)

    def volumes(self) -> list[str]:
        """Ids of what the driver has."""
        return [each.id for each in self.driver.store.volumes()]


@pytest.fixture
def options() -> Options:
    """Overridden by tests that want another driver."""
    return Options()


@pytest.fixture
async def place(server: ApiServer, tmp_path: Path, options: Options) -> AsyncIterator[Place]:
    sockets = Sockets()
    driver = FolderDriver(tmp_path / "driver", options)
    # Sockets have short names, and the folders of tests long ones.
    async with held(controlled(server, driver_calls=sockets)) as cluster, driver.at(tmp_path / "s"):
        reached = Driver(DRIVER, tmp_path / "s")
        sockets.drivers = {(name, DRIVER): reached for name in ("n1", "n2", "n3")}
        try:
            yield Place(cluster, driver, sockets)
        finally:
            await reached.close()
