"""The ClusterNetwork in a cluster with all controllers, each with its own rights."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.transport import Call
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.clusternetwork.controller import ClusterNetworkController
from pilothouse.engine.controllers.clusternetwork.definitions import DEFINITION
from pilothouse.model.cluster_network import CANNOT, CLUSTERNETWORKS, FOLLOWS, filled
from pilothouse.model.errors import ApiError, Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS, NODES
from tests.engine.controllers.conftest import Cluster, controlled, held
from tests.network.cluster import FakeCluster


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    async with held(controlled(server)) as found:
        await found.until_one(CLUSTERNETWORKS, "default", lambda _: True)
        yield found


def node(name: str, *, says: Object | None = None, cannot: Object | None = None) -> Object:
    annotations = {FOLLOWS: json.dumps(says or {}), CANNOT: json.dumps(cannot or {})}
    ready = [{"type": "Ready", "status": "True"}]
    return {"metadata": {"name": name, "annotations": annotations}, "status": {"conditions": ready}}


async def applied(cluster: Cluster, status: str) -> Object:
    def is_so(network: Object) -> bool:
        conditions = (network.get("status") or {}).get("conditions") or [{}]
        return bool(conditions[0].get("status") == status)

    return await cluster.until_one(CLUSTERNETWORKS, "default", is_so)


async def test_the_network_is_there_with_its_defaults(cluster: Cluster) -> None:
    found = await cluster.client.get(CLUSTERNETWORKS, "default")
    assert filled({}) | {"bgp": found["spec"]["bgp"]} == found["spec"]


async def test_the_network_is_not_deleted_whoever_asks_and_however(cluster: Cluster) -> None:
    found = await cluster.client.get(CLUSTERNETWORKS, "default")
    for resource, name in ((CLUSTERNETWORKS, "default"), (CRDS, CLUSTERNETWORKS.group_resource)):
        with pytest.raises(Forbidden, match="nodes go by it to reach each other's pods; change it, with `ph network set`"):
            await cluster.client.delete(resource, name)
    with pytest.raises(Forbidden):
        await cluster.client.delete_collection(CLUSTERNETWORKS)
    assert (await cluster.client.get(CLUSTERNETWORKS, "default"))["metadata"]["uid"] == found["metadata"]["uid"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"served": False}, "does not both serve and store version v1"),
        ({"storage": False}, "does not both serve and store version v1"),
        ({"schema": {"openAPIV3Schema": {"type": "object"}}}, "has no spec"),
        ({"schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}}}, "drops spec.backend"),
    ],
)
async def test_the_definition_of_the_network_is_not_made_useless(cluster: Cluster, change: Object, why: str) -> None:
    name = CLUSTERNETWORKS.group_resource
    found = await cluster.client.get(CRDS, name)
    (version,) = found["spec"]["versions"]
    other = {**version, "name": "v2", "served": True, "storage": change.get("storage") is False}
    found["spec"]["versions"] = [{**version, **change}, other]
    with pytest.raises(Forbidden, match=why):
        await cluster.client.update(CRDS, found)


async def test_the_definition_of_the_network_may_be_changed_otherwise(cluster: Cluster) -> None:
    name = CLUSTERNETWORKS.group_resource
    found = await cluster.client.get(CRDS, name)
    (version,) = found["spec"]["versions"]
    spec = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    found["spec"]["versions"] = [{**version, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]
    changed = await cluster.client.update(CRDS, found)
    assert changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] == spec


class Api(FakeCluster):
    """reported: set once the controller has written a status."""

    def __init__(self) -> None:
        super().__init__()
        self.reported = asyncio.Event()

    async def call(self, call: Call) -> Any:
        if call.method == "PATCH":
            self.reported.set()
            return {}
        return await super().call(call)


async def test_a_network_that_is_gone_all_the_same_comes_back_as_it_was() -> None:
    api = Api()
    await api.put(CRDS, DEFINITION)
    await api.put(CLUSTERNETWORKS, {"metadata": {"name": "default", "generation": 7}, "spec": filled({"backend": "VXLAN", "mtu": 1400})})
    informers = api.informers()
    async with scope() as tasks, asyncio.timeout(10):
        tasks.spawn(informers.run())
        tasks.spawn(ClusterNetworkController(Client(api), informers).run())
        await api.reported.wait()
        await api.delete(CLUSTERNETWORKS, "", "default")
        while (again := await Client(api).get_or_none(CLUSTERNETWORKS, "default")) is None:
            await asyncio.sleep(0.02)
        tasks.cancel()
    assert again["spec"] == filled({"backend": "VXLAN", "mtu": 1400})


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"backend": "Pigeons"}, 'supported values: "Routes", "VXLAN", "BGP", "Host"'),
        ({"vxlan": {"vni": 0}}, "should be greater than or equal to 1"),
        ({"mtu": 68}, "mtu is 0 or at least 1280"),
        ({"encryption": "WireGuard", "backend": "VXLAN"}, "it goes with backend Routes"),
        ({"bgp": {"asNumber": 0}}, "should be greater than or equal to 1"),
        ({"bgp": {"acceptedNetworks": ["192.0.2.1/24"]}}, "is no network such as 192.0.2.0/24"),
        ({"bgp": {"routeReflectors": {"clusterID": "1.2.3.4"}}}, "nodeSelector"),
        ({"bgp": {"holdTimeSeconds": 9, "keepaliveTimeSeconds": 10}}, "keepaliveTimeSeconds is at most holdTimeSeconds"),
    ],
)
async def test_what_no_network_can_be_is_refused(cluster: Cluster, spec: Object, why: str) -> None:
    with pytest.raises(ApiError) as refused:
        await cluster.client.patch(CLUSTERNETWORKS, "default", {"spec": spec})
    assert why in refused.value.message


async def test_a_cluster_has_one_network(cluster: Cluster) -> None:
    with pytest.raises(ApiError) as refused:
        await cluster.client.create(CLUSTERNETWORKS, {"metadata": {"name": "second"}, "spec": {}})
    assert "a cluster has one network, and that is named default" in refused.value.message


async def test_its_status_says_which_nodes_do_not_follow_and_why(cluster: Cluster) -> None:
    generation = (await cluster.client.get(CLUSTERNETWORKS, "default"))["metadata"]["generation"]
    follows = {"backend": "Routes", "generation": generation}
    await cluster.client.create(NODES, node("a", says=follows))
    await cluster.client.create(NODES, node("b", says={**follows, "waiting": ["a"]}))
    found = await applied(cluster, "False")
    assert found["status"]["progress"] == "1/2"
    assert found["status"]["waiting"] == [{"node": "b", "why": "it waits for a"}]
    await cluster.client.patch(NODES, "b", {"metadata": {"annotations": {FOLLOWS: json.dumps(follows)}}})
    assert (await applied(cluster, "True"))["status"]["progress"] == "2/2"


async def test_what_a_node_cannot_do_stands_in_the_condition(cluster: Cluster) -> None:
    await cluster.client.create(NODES, node("a", cannot={"VXLAN": "its kernel makes no VXLAN tunnels"}))
    await cluster.client.patch(CLUSTERNETWORKS, "default", {"spec": {"backend": "VXLAN"}})

    def is_told(network: Object) -> Any:
        return "cannot do VXLAN" in ((network.get("status") or {}).get("conditions") or [{}])[0].get("message", "")

    found = await cluster.until_one(CLUSTERNETWORKS, "default", is_told)
    assert found["status"]["conditions"][0]["message"] == "a: it cannot do VXLAN: its kernel makes no VXLAN tunnels"
