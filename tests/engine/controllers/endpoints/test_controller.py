"""EndpointSlices and Endpoints of Services, with pods that the test makes ready and ends."""

import time
from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTS, ENDPOINTSLICES, PODS, SERVICES
from tests.engine.controllers.conftest import Cluster

WEB = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}}


def pod(name: str) -> dict[str, Any]:
    container = {"name": "c", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}
    return {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": {"containers": [container], "nodeName": "n1"}}


def states(slices: list[Object]) -> dict[str, tuple[bool, bool, bool]]:
    return {
        each["targetRef"]["name"]: (each["conditions"]["ready"], each["conditions"]["serving"], each["conditions"]["terminating"])
        for endpoint_slice in slices
        for each in endpoint_slice.get("endpoints") or ()
        if each.get("targetRef")
    }


async def test_a_ready_pod_becomes_an_endpoint_at_once(cluster: Cluster) -> None:
    await cluster.create(SERVICES, WEB)
    made = await cluster.create(PODS, pod("a"))
    await cluster.until(ENDPOINTSLICES, lambda items: len(items) == 2)
    took_s = []
    for _ in range(5):
        began = time.perf_counter()
        await cluster.make_ready(made)
        await cluster.until(ENDPOINTSLICES, lambda items: states(items).get("a") == (True, True, False))
        took_s.append(time.perf_counter() - began)
        await cluster.make_unready(made)
        await cluster.until(ENDPOINTSLICES, lambda items: states(items).get("a") == (False, False, False))
    # Not by a poll or a back-off; the best of several, since the machine may be busy with other things.
    assert min(took_s) < 0.5
    slices = [each for each in await cluster.items(ENDPOINTSLICES) if each["endpoints"] and each["endpoints"][0].get("targetRef")]
    assert slices[0]["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]
    assert meta.controller_of(slices[0]) is not None


async def test_a_pod_that_is_deleted_stops_being_ready_before_it_is_gone(cluster: Cluster) -> None:
    await cluster.create(SERVICES, WEB)
    await cluster.make_ready(await cluster.create(PODS, pod("a")))
    await cluster.until(ENDPOINTSLICES, lambda items: "a" in states(items))
    await cluster.client.delete(PODS, "a", "default")
    await cluster.until(ENDPOINTSLICES, lambda items: states(items).get("a") == (False, True, True))
    await cluster.client.delete(PODS, "a", "default", grace_s=0)
    await cluster.until(ENDPOINTSLICES, lambda items: "a" not in states(items))


async def test_a_relabelled_pod_leaves(cluster: Cluster) -> None:
    await cluster.create(SERVICES, WEB)
    await cluster.make_ready(await cluster.create(PODS, pod("a")))
    await cluster.until(ENDPOINTSLICES, lambda items: "a" in states(items))
    await cluster.patch(PODS, "a", {"metadata": {"labels": {"app": "debug"}}})
    await cluster.until(ENDPOINTSLICES, lambda items: "a" not in states(items))


async def test_endpoints_follow_and_go_with_their_service(cluster: Cluster) -> None:
    await cluster.create(SERVICES, WEB)
    await cluster.make_ready(await cluster.create(PODS, pod("a")), "10.1.0.7")
    shown = await cluster.until_one(ENDPOINTS, "web", lambda each: (each.get("subsets") or [{}])[0].get("addresses"))
    assert shown["subsets"][0]["addresses"][0]["ip"] == "10.1.0.7"
    await cluster.client.delete(SERVICES, "web", "default")
    await cluster.until(ENDPOINTS, lambda items: "web" not in map(meta.name, items))
    await cluster.until(
        ENDPOINTSLICES, lambda items: not [each for each in items if meta.labels(each).get("kubernetes.io/service-name") == "web"]
    )


async def test_a_service_without_a_selector_is_left_to_others(cluster: Cluster) -> None:
    await cluster.create(SERVICES, {"metadata": {"name": "foreign"}, "spec": {"ports": [{"port": 80}]}})
    await cluster.create(SERVICES, WEB)
    await cluster.until_one(ENDPOINTS, "web", lambda _: True)
    assert await cluster.get(ENDPOINTS, "foreign") is None
