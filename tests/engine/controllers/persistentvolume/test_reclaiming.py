"""What is removed is gone: whether it is to be removed is asked of the server, since a cache may be a moment behind."""

from typing import Any, cast

import pytest

from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.persistentvolume.local import LocalProvisioner
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMES
from tests.engine.controllers.persistentvolume.objects import FakeNodes, fresh, volume


class Cache:
    """Has one object, as it was."""

    def __init__(self, obj: Object) -> None:
        self._obj = obj

    def get(self, key: str) -> Object | None:
        return self._obj if meta.key(self._obj) == key else None


def provisioner(client: Client, seen: Object, nodes: FakeNodes) -> LocalProvisioner:
    nothing: Any = None
    return LocalProvisioner(client, nothing, cast("Informer", Cache(seen)), nothing, nothing, Recorder(client, None, "test"), nodes)


@pytest.mark.parametrize("now", ["Retain", "Delete"])
async def test_a_volume_that_is_to_be_retained_since_a_moment_keeps_its_data(client: Client, now: str) -> None:
    nodes = FakeNodes(volumes={("n1", "disk"): 1 << 30})
    made = fresh(volume(persistentVolumeReclaimPolicy="Delete"))
    made["metadata"] |= {
        "annotations": {"pv.kubernetes.io/provisioned-by": "pilothouse.io/local", "local.pilothouse.io/node": "n1"},
        "finalizers": ["local.pilothouse.io/data"],
    }
    await client.create(PERSISTENTVOLUMES, made)
    seen = await client.patch(PERSISTENTVOLUMES, "disk", {"status": {"phase": "Released"}}, subresource="status")
    await client.patch(PERSISTENTVOLUMES, "disk", {"spec": {"persistentVolumeReclaimPolicy": now}})
    await provisioner(client, seen, nodes).reclaim("disk")
    assert list(nodes.volumes) == ([("n1", "disk")] if now == "Retain" else [])
