"""Hints follow what nodes say of their zones."""

from collections.abc import Callable
from typing import Any

from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, EVENTS, NODES, PODS, SERVICES
from tests.engine.controllers.conftest import Cluster

ZONE = "topology.kubernetes.io/zone"


async def add_node(cluster: Cluster, name: str, zone: str) -> None:
    await cluster.create(NODES, {"metadata": {"name": name, "labels": {ZONE: zone}}})
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    status = {"allocatable": {"cpu": "4"}, "conditions": [ready]}
    await cluster.client.patch(NODES, name, {"status": status}, subresource="status")


async def add_pod(cluster: Cluster, name: str, node: str, address: str) -> None:
    spec = {"containers": [{"name": "c", "image": "web"}], "nodeName": node}
    await cluster.create(PODS, {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec})
    status = {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    await cluster.client.patch(PODS, name, {"status": status}, namespace="default", subresource="status")


def web(**more: Any) -> Object:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]} | more.pop("spec", {})
    return {"metadata": {"name": "web"} | more, "spec": spec}


def hinted(*zones: str) -> Callable[[list[Object]], bool]:
    """Whether the ready endpoints are meant for these zones; "" for one that is meant for nobody."""

    def holds(slices: list[Object]) -> bool:
        endpoints = [each for slice_ in slices if slice_["metadata"]["name"].startswith("web-") for each in slice_.get("endpoints") or ()]
        found = [((each.get("hints") or {}).get("forZones") or [{}])[0].get("name", "") for each in endpoints]
        return sorted(found) == sorted(zones)

    return holds


async def test_an_endpoint_is_meant_for_the_zone_that_its_node_is_labelled_with_later(cluster: Cluster) -> None:
    await add_node(cluster, "n1", "a")
    await add_pod(cluster, "p1", "n1", "10.1.0.1")
    await cluster.create(SERVICES, web(spec={"trafficDistribution": "PreferSameZone"}))
    await cluster.until(ENDPOINTSLICES, hinted("a"))
    await cluster.patch(NODES, "n1", {"metadata": {"labels": {ZONE: "b"}}})
    await cluster.until(ENDPOINTSLICES, hinted("b"))


async def test_zones_share_endpoints_as_nodes_come_and_are_told_when_they_cannot(cluster: Cluster) -> None:
    await add_node(cluster, "n1", "a")
    for number in range(2):
        await add_pod(cluster, f"p{number}", "n1", f"10.1.0.{number + 1}")
    await cluster.create(SERVICES, web(annotations={"service.kubernetes.io/topology-mode": "Auto"}))

    def said(reason: str) -> Callable[[list[Object]], list[str]]:
        return lambda events: [event["message"] for event in events if event["reason"] == reason]

    assert "Insufficient Node information" in (await cluster.until(EVENTS, said("TopologyAwareHintsDisabled")))[0]
    await cluster.until(ENDPOINTSLICES, hinted("", ""))
    await add_node(cluster, "n2", "b")
    await cluster.until(ENDPOINTSLICES, hinted("a", "b"))
    await cluster.until(EVENTS, said("TopologyAwareHintsEnabled"))
    await cluster.client.delete(NODES, "n2")
    await cluster.until(ENDPOINTSLICES, hinted("", ""))
