"""The control plane and a node on one driver: what the one writes is what the other goes by. Real API, real mounts, no containers."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.node.csi import growing
from pilothouse.engine.node.csi.attaching import Attaching
from pilothouse.engine.node.csi.volumes import CsiVolumes
from pilothouse.engine.node.csi.wanted import of_claim
from pilothouse.engine.node.pod.sources import ApiSources
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSINODES, NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, SECRETS, VOLUMEATTACHMENTS
from tests.csi_driver.options import Options
from tests.engine.controllers.conftest import controlled, held
from tests.engine.controllers.csi.conftest import DRIVER, Place, Sockets
from tests.engine.controllers.csi.test_attacher import pod
from tests.engine.controllers.persistentvolume.objects import node
from tests.engine.node.csi.world import World, world
from tests.people import client_of
from tests.people import node as node_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")

OPTIONS = Options(controller=(*Options().controller, "PUBLISH_UNPUBLISH_VOLUME"), required_secret="token=t0p")


class Objects:
    """A node's objects, asked for one by one."""

    def __init__(self, client: object) -> None:
        self._client = client

    async def get(self, resource: object, namespace: str, name: str) -> Object | None:
        found: Object | None = await self._client.get_or_none(resource, name, namespace)  # type: ignore[attr-defined]
        return found


@pytest.fixture
async def there() -> AsyncIterator[World]:
    async with held(world(OPTIONS)) as found:
        yield found


@pytest.fixture
async def place(server: ApiServer, there: World) -> AsyncIterator[Place]:
    driver = there.drivers.get(DRIVER).driver
    async with held(controlled(server, driver_calls=Sockets({("n1", DRIVER): driver}))) as cluster:
        yield Place(cluster, there.driver, Sockets())


async def test_a_pod_of_the_node_gets_the_volume_and_gives_it_back(server: ApiServer, place: Place, there: World) -> None:
    client = client_of(server, node_user("n1"))
    await place.cluster.create(NODES, node("n1"))
    entry = {"name": DRIVER, "nodeID": "here", "topologyKeys": []}
    await client.create(CSINODES, {"metadata": {"name": "n1"}, "spec": {"drivers": [entry]}})
    await place.cluster.create(SECRETS, {"metadata": {"name": "key"}, "stringData": {"token": "t0p"}})
    await place.serve()
    where = {"name": "key", "namespace": "default"}
    kinds = ("provisioner", "controller-publish", "controller-expand", "node-stage", "node-publish", "node-expand")
    await place.storage_class(
        parameters={f"csi.storage.k8s.io/{kind}-secret-{key}": value for kind in kinds for key, value in where.items()}
    )
    await place.claim()
    bound = await place.bound()
    made = await place.cluster.create(PODS, pod("n1"))

    sources = ApiSources(client, Informers(client), Objects(client), lambda: 0.0, "n1")  # type: ignore[arg-type]
    changed = asyncio.Event()
    attaching = Attaching(there.config, sources, changed.set)
    volumes = CsiVolumes(there.config, there.drivers, sources, attaching, lambda uid: None, lambda: 0.0)

    async def report() -> None:
        """The Node's status says what is in use, as its agent has it said."""
        while True:
            await changed.wait()
            changed.clear()
            names = attaching.in_use()
            await client.patch(NODES, "n1", {"status": {"volumesInUse": names or None}}, subresource="status")
            attaching.reported(names)

    async with scope() as tasks:
        tasks.spawn(report())
        await volumes.open()
        claim = await client.get(PERSISTENTVOLUMECLAIMS, "data", "default")
        volume = await client.get(PERSISTENTVOLUMES, bound["spec"]["volumeName"])
        there.volumes = volumes
        folder = await there.mount(made, of_claim(volume, made["spec"]["volumes"][0], claim))
        (folder / "file").write_text("kept")
        (attachment,) = await place.cluster.items(VOLUMEATTACHMENTS, None)
        assert attachment["status"]["attached"] is True
        assert next(there.driver.store.volumes()).attached == ["here"]

        bigger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        await place.cluster.patch(PERSISTENTVOLUMECLAIMS, "data", bigger)
        waiting = await place.cluster.until_one(PERSISTENTVOLUMECLAIMS, "data", lambda obj: meta.is_true(obj, "FileSystemResizePending"))
        volume = await client.get(PERSISTENTVOLUMES, bound["spec"]["volumeName"])
        asked = of_claim(volume, made["spec"]["volumes"][0], waiting)
        assert growing.is_due(asked)
        note = await growing.grow(there.config, there.drivers, sources, made, asked)
        assert note is not None
        assert note.type == "Normal", note
        grown = await place.cluster.until_one(PERSISTENTVOLUMECLAIMS, "data", lambda obj: obj["status"]["capacity"]["storage"] == "2Gi")
        assert "conditions" not in grown["status"]

        await place.cluster.client.delete(PODS, "p", "default", grace_s=0)
        await asyncio.sleep(0.2)
        # The node has it mounted still.
        assert len(await place.cluster.items(VOLUMEATTACHMENTS, None)) == 1
        assert await volumes.drop(meta.uid(made)) == []
        await place.cluster.until(VOLUMEATTACHMENTS, lambda items: not items, "detached", None)
        assert next(there.driver.store.volumes()).attached == []
        await place.cluster.client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")
        await place.until_removed()
        await volumes.close()
        tasks.cancel()
