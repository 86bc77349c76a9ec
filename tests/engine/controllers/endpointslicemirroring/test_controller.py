"""Endpoints that somebody writes by hand, before the running controllers."""

from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTS, ENDPOINTSLICES, EVENTS, SERVICES
from tests.engine.controllers.conftest import Cluster

DATABASE = {"metadata": {"name": "db"}, "spec": {"ports": [{"port": 5432}]}}


def endpoints(*addresses: str, port: int = 5432, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "db", **metadata},
        "subsets": [{"addresses": [{"ip": each} for each in addresses], "ports": [{"port": port}]}],
    }


def of_database(slices: list[Object]) -> list[Object]:
    return [each for each in slices if meta.labels(each).get("kubernetes.io/service-name") == "db"]


def shown(slices: list[Object]) -> list[tuple[list[str], int]]:
    return sorted(([each["addresses"][0] for each in found["endpoints"]], found["ports"][0]["port"]) for found in of_database(slices))


async def test_endpoints_of_a_service_without_selector_are_mirrored_and_followed(cluster: Cluster) -> None:
    await cluster.create(SERVICES, DATABASE)
    await cluster.create(ENDPOINTS, endpoints("192.0.2.1"))
    await cluster.until(ENDPOINTSLICES, lambda items: shown(items) == [(["192.0.2.1"], 5432)])
    await cluster.patch(ENDPOINTS, "db", {"subsets": endpoints("192.0.2.2", "192.0.2.3", port=5433)["subsets"]})
    await cluster.until(ENDPOINTSLICES, lambda items: shown(items) == [(["192.0.2.2", "192.0.2.3"], 5433)])
    await cluster.client.delete(ENDPOINTS, "db", "default")
    await cluster.until(ENDPOINTSLICES, lambda items: not of_database(items))


async def test_endpoints_may_come_before_their_service_and_go_after_it(cluster: Cluster) -> None:
    await cluster.create(ENDPOINTS, endpoints("192.0.2.1"))
    await cluster.create(SERVICES, DATABASE)
    await cluster.until(ENDPOINTSLICES, lambda items: len(of_database(items)) == 1)
    await cluster.client.delete(SERVICES, "db", "default")
    await cluster.until(ENDPOINTSLICES, lambda items: not of_database(items))


async def test_a_slice_that_somebody_takes_away_or_changes_comes_back(cluster: Cluster) -> None:
    await cluster.create(SERVICES, DATABASE)
    await cluster.create(ENDPOINTS, endpoints("192.0.2.1"))
    (made,) = await cluster.until(ENDPOINTSLICES, of_database)
    await cluster.patch(ENDPOINTSLICES, meta.name(made), {"endpoints": []})
    await cluster.until(ENDPOINTSLICES, lambda items: shown(items) == [(["192.0.2.1"], 5432)])
    await cluster.client.delete(ENDPOINTSLICES, meta.name(made), "default")
    await cluster.until(
        ENDPOINTSLICES, lambda items: shown(items) == [(["192.0.2.1"], 5432)] and meta.uid(of_database(items)[0]) != meta.uid(made)
    )


async def test_who_wants_no_mirror_gets_none_and_a_selector_ends_it(cluster: Cluster) -> None:
    await cluster.create(SERVICES, DATABASE)
    await cluster.create(ENDPOINTS, endpoints("192.0.2.1"))
    await cluster.until(ENDPOINTSLICES, lambda items: len(of_database(items)) == 1)
    await cluster.patch(ENDPOINTS, "db", {"metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}})
    await cluster.until(ENDPOINTSLICES, lambda items: not of_database(items))
    await cluster.patch(ENDPOINTS, "db", {"metadata": {"labels": None}})
    await cluster.until(ENDPOINTSLICES, lambda items: len(of_database(items)) == 1)
    await cluster.patch(SERVICES, "db", {"spec": {"selector": {"app": "db"}}})
    await cluster.until(
        ENDPOINTSLICES, lambda items: [_manager(each) for each in of_database(items)] == ["endpointslice-controller.k8s.io"]
    )


async def test_the_slices_of_the_api_server_and_of_other_hands_stay_as_they_are(cluster: Cluster) -> None:
    own = {"metadata": {"name": "db-own", "labels": {"kubernetes.io/service-name": "db"}}, "addressType": "IPv4", "endpoints": []}
    await cluster.create(ENDPOINTSLICES, own)
    await cluster.create(SERVICES, DATABASE)
    await cluster.create(ENDPOINTS, endpoints("192.0.2.1"))
    await cluster.until(ENDPOINTSLICES, lambda items: len(of_database(items)) == 2)
    slices = await cluster.items(ENDPOINTSLICES)
    assert [_manager(each) for each in slices if meta.labels(each).get("kubernetes.io/service-name") == "kubernetes"] == [None]
    await cluster.client.delete(ENDPOINTS, "db", "default")
    await cluster.until(ENDPOINTSLICES, lambda items: [meta.name(each) for each in of_database(items)] == ["db-own"])


async def test_endpoints_that_no_slice_can_hold_are_named_and_others_are_mirrored(cluster: Cluster) -> None:
    """Two ports of one name: Endpoints may have them."""
    ports = [{"name": "a", "port": 1}, {"name": "a", "port": 2}]
    await cluster.create(SERVICES, {"metadata": {"name": "odd"}, "spec": {"ports": [{"port": 1}]}})
    await cluster.create(ENDPOINTS, {"metadata": {"name": "odd"}, "subsets": [{"addresses": [{"ip": "192.0.2.9"}], "ports": ports}]})
    await cluster.create(SERVICES, DATABASE)
    await cluster.create(ENDPOINTS, endpoints("192.0.2.1"))
    await cluster.until(ENDPOINTSLICES, lambda items: len(of_database(items)) == 1)
    await cluster.until(EVENTS, lambda items: [each for each in items if each["reason"] == "FailedToUpdateEndpointSlices"])


def _manager(endpoint_slice: Object) -> str | None:
    return meta.labels(endpoint_slice).get("endpointslice.kubernetes.io/managed-by")
