"""metrics.k8s.io over the API, in front of played nodes: rows, selectors, rights, and when nodes are asked at all."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pilothouse.engine.apiserver.resource_metrics import scraper as scrapers
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.resource_metrics.played import PlayedNodes, figures

METRICS = "/apis/metrics.k8s.io/v1beta1"
PODS = f"{METRICS}/namespaces/default/pods"
T = 1_000_000.0


@pytest.fixture
async def nodes(server: ApiServer, api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PlayedNodes]:
    """Two nodes with a pod each; a look at them takes no time and the first two follow each other at once."""
    monkeypatch.setattr(scrapers, "FIRST_S", 0.01)
    for name in ("n1", "n2"):
        await api.post("/api/v1/nodes", {"metadata": {"name": name, "labels": {"zone": name}}})
    for pod, node in (("web", "n1"), ("db", "n2")):
        await api.post("/api/v1/namespaces/default/pods", _pod(pod, node))
    async with PlayedNodes().served() as played:
        server.backend.proxy = played
        for name, pod in (("n1", "web"), ("n2", "db")):
            played.text[name] = figures(T, 10.0, (pod, "c", 1.0, 4096, T - 500), (pod, "d", 1.0, 1024, T - 500))
        yield played


def _pod(name: str, node: str) -> Object:
    containers = [{"name": each, "image": "i"} for each in ("c", "d")]
    spec = {"nodeName": node, "containers": containers, "serviceAccountName": "default", "automountServiceAccountToken": False}
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


async def second_look(nodes: PlayedNodes, api: Api, path: str, **query: str) -> Any:
    """The answer to a question, while the nodes have used half a processor between the first look and the second."""
    asking = asyncio.ensure_future(api.get(path, **query))
    while nodes.answered != nodes.text.keys():
        await asyncio.sleep(0.001)
    for name, pod in (("n1", "web"), ("n2", "db")):
        if name in nodes.text:
            nodes.text[name] = figures(T + 10, 15.0, (pod, "c", 6.0, 8192, T - 500), (pod, "d", 1.5, 2048, T - 500))
    return await asking


async def test_what_nodes_use_is_told_to_the_first_who_asks(nodes: PlayedNodes, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrapers, "FIRST_S", 0.3)
    found = await second_look(nodes, api, f"{METRICS}/nodes")
    assert (found["kind"], found["apiVersion"]) == ("NodeMetricsList", "metrics.k8s.io/v1beta1")
    first = found["items"][0]
    assert (first["metadata"]["name"], first["metadata"]["labels"], first["window"]) == ("n1", {"zone": "n1"}, "10s")
    assert first["usage"] == {"cpu": "500m", "memory": "1000Mi"}
    one = await api.get(f"{METRICS}/nodes/n2")
    assert (one["kind"], one["usage"]) == ("NodeMetrics", {"cpu": "500m", "memory": "1000Mi"})


async def test_pods_are_selected_and_shown_with_their_containers(nodes: PlayedNodes, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrapers, "FIRST_S", 0.3)
    found = await second_look(nodes, api, PODS, labelSelector="app=web")
    (pod,) = found["items"]
    assert pod["metadata"]["namespace"] == "default"
    assert pod["containers"] == [
        {"name": "c", "usage": {"cpu": "500m", "memory": "8Ki"}},
        {"name": "d", "usage": {"cpu": "50m", "memory": "2Ki"}},
    ]
    assert [each["metadata"]["name"] for each in (await api.get(f"{METRICS}/pods"))["items"]] == ["db", "web"]
    assert await api.names(PODS, fieldSelector="metadata.name=db") == ["db"]
    assert (await api.refused("GET", PODS, fieldSelector="spec.nodeName=n1")).code == 400
    assert (await api.get(f"{PODS}/web"))["kind"] == "PodMetrics"


async def test_a_node_that_does_not_answer_loses_its_own_rows_alone(nodes: PlayedNodes, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrapers, "FIRST_S", 0.3)
    monkeypatch.setattr(scrapers, "LIMIT_S", 0.2)
    del nodes.text["n2"]
    nodes.hangs.add("n2")
    found = await second_look(nodes, api, f"{METRICS}/nodes")
    assert [each["metadata"]["name"] for each in found["items"]] == ["n1"]
    assert await api.names(PODS) == ["web"]
    missing = await api.refused("GET", f"{PODS}/db")
    assert (missing.code, missing.message) == (404, 'podmetrics.metrics.k8s.io "default/db" not found')


async def test_nodes_are_not_asked_as_long_as_nobody_asks(nodes: PlayedNodes, api: Api) -> None:
    await api.get("/api/v1/nodes")
    await api.get("/apis/metrics.k8s.io/v1beta1")
    assert not nodes.looks
    await api.get(f"{METRICS}/nodes")
    assert nodes.looks == {"n1": 2, "n2": 2}


async def test_the_server_itself_answers_for_the_group(api: Api) -> None:
    found = await api.get(METRICS)
    assert [(each["name"], each["kind"], each["verbs"]) for each in found["resources"]] == [
        ("nodes", "NodeMetrics", ["get", "list"]),
        ("pods", "PodMetrics", ["get", "list"]),
    ]
    services = "/apis/apiregistration.k8s.io/v1/apiservices"
    async with asyncio.timeout(5):
        while "v1beta1.metrics.k8s.io" not in await api.names(services):
            await asyncio.sleep(0.01)
    service = await api.get(f"{services}/v1beta1.metrics.k8s.io")
    assert service["status"]["conditions"][0]["status"] == "True"
    document = await api.get("/openapi/v3/apis/metrics.k8s.io/v1beta1")
    schemas = document["components"]["schemas"]
    assert "usage" in schemas["io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetrics"]["properties"]
    assert (await api.refused("DELETE", f"{METRICS}/nodes/n1")).code == 405


async def test_who_may_view_a_namespace_may_see_what_its_pods_use(nodes: PlayedNodes, api: Api) -> None:
    binding = {
        "metadata": {"name": "viewer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "ann"}],
    }
    await api.post("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding)
    ann = api.as_user("ann")
    assert (await ann.get(PODS))["kind"] == "PodMetricsList"
    for path in (f"{METRICS}/nodes", f"{METRICS}/pods"):
        with pytest.raises(ApiError) as refused:
            await ann.get(path)
        assert refused.value.code == 403
