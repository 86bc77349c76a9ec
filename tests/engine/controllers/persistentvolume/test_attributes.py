"""Claims name VolumeAttributesClasses of the local provisioner, in a cluster with all controllers, each with its own rights."""

from collections.abc import AsyncIterator

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model import meta
from pilothouse.model.errors import BadRequest, Unavailable
from pilothouse.model.io_limits import IoLimits
from pilothouse.model.json import Object
from pilothouse.model.kinds import (
    EVENTS,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    SERVICEACCOUNTS,
    STORAGECLASSES,
    VOLUMEATTRIBUTESCLASSES,
)
from tests.engine.controllers.conftest import Cluster, controlled, held
from tests.engine.controllers.persistentvolume.objects import IMMEDIATE, FakeNodes, claim, fresh, node, volume

CLAIMS = PERSISTENTVOLUMECLAIMS


@pytest.fixture
def nodes() -> FakeNodes:
    return FakeNodes()


@pytest.fixture
async def cluster(server: ApiServer, nodes: FakeNodes) -> AsyncIterator[Cluster]:
    async with held(controlled(server, node_volumes=nodes)) as found:
        await found.until_one(SERVICEACCOUNTS, "default", lambda _: True)
        await found.create(NODES, node())
        await found.create(STORAGECLASSES, IMMEDIATE)
        await found.create(VOLUMEATTRIBUTESCLASSES, attributes("small", iops="100", throughput="5Mi"))
        yield found


def attributes(name: str, driver: str = "pilothouse.io/local", **parameters: str) -> Object:
    return {"metadata": {"name": name}, "driverName": driver, "parameters": parameters}


async def limited(cluster: Cluster, name: str) -> Object:
    """The claim once its volume has that class."""
    return await cluster.until_one(CLAIMS, "data", lambda obj: obj["status"].get("currentVolumeAttributesClassName") == name)


async def failed(cluster: Cluster, state: str) -> tuple[Object, str]:
    """The claim once it says so, and why."""
    found = await cluster.until_one(CLAIMS, "data", lambda obj: (obj["status"].get("modifyVolumeStatus") or {}).get("status") == state)
    return found, (meta.condition(found, "ModifyVolumeError") or {})["message"]


async def wants(cluster: Cluster, name: str) -> None:
    await cluster.patch(CLAIMS, "data", {"spec": {"volumeAttributesClassName": name}}, "default")


async def test_a_volume_gets_the_limits_of_its_claims_class_and_then_of_another(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.create(CLAIMS, fresh(claim(storage_class="now", volumeAttributesClassName="small")))
    bound = await limited(cluster, "small")
    at = ("n1", bound["spec"]["volumeName"])
    assert nodes.limits[at] == IoLimits(100, 5 << 20)
    await cluster.create(VOLUMEATTRIBUTESCLASSES, attributes("large", throughput="50Mi"))
    await wants(cluster, "large")
    given = await limited(cluster, "large")
    assert nodes.limits[at] == IoLimits(0, 50 << 20)
    assert {"modifyVolumeStatus", "conditions"}.isdisjoint(given["status"])


async def test_a_class_that_is_not_there_yet_is_waited_for_and_the_volume_is_used(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.create(CLAIMS, fresh(claim(storage_class="now", volumeAttributesClassName="later")))
    found, why = await failed(cluster, "Pending")
    assert (found["status"]["phase"], why) == ("Bound", 'VolumeAttributesClass "later" is not there')
    await cluster.create(VOLUMEATTRIBUTESCLASSES, attributes("later", iops="50"))
    await limited(cluster, "later")


async def test_what_cannot_be_carried_out_is_said_and_another_class_may_be_named(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.create(VOLUMEATTRIBUTESCLASSES, attributes("odd", type="gp3"))
    await cluster.create(CLAIMS, fresh(claim(storage_class="now", volumeAttributesClassName="odd")))
    found, why = await failed(cluster, "Infeasible")
    assert found["status"]["phase"] == "Bound"
    assert why == ("VolumeAttributesClass \"odd\": there is no parameter 'type' for volumes of this provisioner; use iops and throughput")
    assert nodes.limits == {}
    await wants(cluster, "small")
    assert "modifyVolumeStatus" not in (await limited(cluster, "small"))["status"]


async def test_a_node_that_cannot_limit_io_is_named_and_the_volume_is_used(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.create(CLAIMS, fresh(claim(storage_class="now")))
    await cluster.until_one(CLAIMS, "data", lambda obj: obj["status"]["phase"] == "Bound")
    nodes.refuses["n1"] = BadRequest("node n1 cannot limit the I/O of volumes")
    await wants(cluster, "small")
    _, why = await failed(cluster, "Infeasible")
    assert why == 'VolumeAttributesClass "small": node n1 cannot limit the I/O of volumes'


async def test_a_node_that_does_not_answer_is_asked_again(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.create(CLAIMS, fresh(claim(storage_class="now")))
    await cluster.until_one(CLAIMS, "data", lambda obj: obj["status"]["phase"] == "Bound")
    nodes.refuses["n1"] = Unavailable("node n1 does not answer")
    await wants(cluster, "small")
    await failed(cluster, "InProgress")
    del nodes.refuses["n1"]
    await limited(cluster, "small")


async def test_volumes_that_are_not_made_here_have_no_attributes(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.create(PERSISTENTVOLUMES, fresh(volume()))
    await cluster.create(CLAIMS, fresh(claim(volumeName="disk")))
    await cluster.until_one(CLAIMS, "data", lambda obj: obj["status"]["phase"] == "Bound")
    await wants(cluster, "small")
    await cluster.until(EVENTS, lambda items: any("have no attributes" in each["message"] for each in items), "said")
    assert nodes.limits == {}
