"""A control plane that ends after any of its writes, or of its requests to a node, finishes at its next start what it had begun."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pilothouse.client.client import Client
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.persistentvolume.clones import CLONING
from pilothouse.model import meta
from pilothouse.model.kinds import CRDS, NODES, PERSISTENTVOLUMECLAIMS, SERVICEACCOUNTS, STORAGECLASSES
from pilothouse.model.snapshots import CLAIM_AS_SOURCE, VOLUMESNAPSHOTCONTENTS, VOLUMESNAPSHOTS
from tests.engine.controllers.conftest import Cluster, controlled, held
from tests.engine.controllers.persistentvolume.objects import IMMEDIATE, FakeNodes, claim, fresh, node
from tests.engine.controllers.snapshot.test_controller import gone, is_ready, snapshot

CLAIMS = PERSISTENTVOLUMECLAIMS
OF_VOLUMES = ("snapshot-controller", "persistent-volume-binder", "kube-controller-manager")


class Dying:
    """Counts what the controllers write and ask nodes for; from the last of them on nothing more happens."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.has_died = asyncio.Event()

    async def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.has_died.set()
            await asyncio.Event().wait()


class DyingNodes(FakeNodes):
    dying: Dying

    async def ensure(self, *args: Any, **kwargs: Any) -> Any:
        found = await super().ensure(*args, **kwargs)
        await self.dying.step()
        return found

    async def take_snapshot(self, *args: Any, **kwargs: Any) -> Any:
        found = await super().take_snapshot(*args, **kwargs)
        await self.dying.step()
        return found

    async def remove_snapshot(self, *args: Any, **kwargs: Any) -> None:
        await super().remove_snapshot(*args, **kwargs)
        await self.dying.step()


async def prepared(cluster: Cluster) -> None:
    await cluster.until_one(SERVICEACCOUNTS, "default", lambda _: True)
    await cluster.until_one(CRDS, VOLUMESNAPSHOTS.group_resource, lambda each: meta.is_true(each, "Established"))
    await cluster.create(NODES, node())
    await cluster.create(STORAGECLASSES, IMMEDIATE)
    await cluster.create(CLAIMS, fresh(claim("data", storage_class="now")))
    await cluster.until_one(CLAIMS, "data", lambda each: each["status"]["phase"] == "Bound")


async def ask(cluster: Cluster) -> None:
    """For a snapshot, a volume made of it and a clone."""
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}
    await cluster.create(VOLUMESNAPSHOTS, snapshot())
    await cluster.create(CLAIMS, fresh(claim("restored", storage_class="now", dataSourceRef=source)))
    await cluster.create(
        CLAIMS, fresh(claim("clone", storage_class="now", dataSourceRef={"kind": "PersistentVolumeClaim", "name": "data"}))
    )


async def done(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.until_one(VOLUMESNAPSHOTS, "s", is_ready)
    for name in ("restored", "clone"):
        await cluster.until_one(CLAIMS, name, lambda each: each["status"]["phase"] == "Bound")
    await cluster.until_one(CLAIMS, "data", lambda each: not {CLONING, CLAIM_AS_SOURCE} & set(meta.finalizers(each)))
    assert (len(nodes.volumes), len(nodes.snapshots)) == (3, 1)


@pytest.mark.parametrize("survives", [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22])
async def test_what_was_begun_is_finished_by_the_next_one(server: ApiServer, monkeypatch: pytest.MonkeyPatch, survives: int) -> None:
    monkeypatch.setattr("pilothouse.engine.controllers.persistentvolume.local.SOURCE_S", 0.05)
    nodes = DyingNodes()
    nodes.dying = Dying(10_000)
    write: Callable[..., Awaitable[Any]] = Client._write

    async def counted(self: Client, *args: Any, **kwargs: Any) -> Any:
        found = await write(self, *args, **kwargs)
        if self.field_manager in OF_VOLUMES:
            await nodes.dying.step()
        return found

    async with held(controlled(server, node_volumes=nodes)) as cluster:
        await prepared(cluster)
        monkeypatch.setattr(Client, "_write", counted)
        nodes.dying = Dying(survives)
        await ask(cluster)
        async with asyncio.timeout(10):
            await nodes.dying.has_died.wait()
    nodes.dying = Dying(10_000)
    async with held(controlled(server, node_volumes=nodes)) as cluster:
        await done(cluster, nodes)
        nodes.dying = Dying(survives % 3)
        await cluster.client.delete(VOLUMESNAPSHOTS, "s", "default")
        async with asyncio.timeout(10):
            await nodes.dying.has_died.wait()
    nodes.dying = Dying(10_000)
    async with held(controlled(server, node_volumes=nodes)) as cluster:
        await gone(cluster, VOLUMESNAPSHOTS, "s")
        await cluster.until(VOLUMESNAPSHOTCONTENTS, lambda items: not items or None, "contents gone", None)
        assert not nodes.snapshots
