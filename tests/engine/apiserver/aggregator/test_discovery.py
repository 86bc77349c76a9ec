"""What discovery says of other servers, whether these answer or not."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pilothouse.client.transport import Call
from pilothouse.engine.apiserver.aggregator.checks import description_in
from pilothouse.engine.apiserver.aggregator.resource_list import entries
from pilothouse.model.json import Object, dumps
from tests.engine.apiserver.aggregator.conftest import Network, expose, until_available
from tests.engine.apiserver.aggregator.other import APISERVICES, PORT, SLICES, THINGS, Other, slice_of
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.proxying.conftest import Person

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
METRICS = "/apis/metrics.k8s.io/v1beta1"


async def version_of(api: Api, group: str) -> Any:
    """The preferred version of the group in the aggregated document."""
    document = await api.transport.call(Call("GET", "/apis", accept=AGGREGATED))
    return next(each["versions"][0] for each in document["items"] if each["metadata"]["name"] == group)


async def until_fresh(api: Api, freshness: str) -> Any:
    async with asyncio.timeout(10):
        while (found := await version_of(api, "example.org"))["freshness"] != freshness:
            await asyncio.sleep(0.01)
    return found


async def test_what_another_server_has_is_listed_with_all_else(registered: Other, api: Api) -> None:
    found = await until_fresh(api, "Current")
    (things,) = found["resources"]
    assert (things["resource"], things["scope"], things["shortNames"]) == ("things", "Namespaced", ["th"])
    assert things["responseKind"] == {"group": "example.org", "version": "v1", "kind": "Thing"}
    assert [each["subresource"] for each in things["subresources"]] == ["status"]
    listed = {each["name"]: each for each in (await api.get("/apis"))["groups"]}
    assert listed["example.org"]["preferredVersion"] == {"groupVersion": "example.org/v1", "version": "v1"}
    assert (await api.get("/apis/example.org"))["versions"] == listed["example.org"]["versions"]
    assert (await api.get("/apis/example.org/v1"))["resources"][0] == THINGS
    assert {"/apis/example.org", "/apis/example.org/v1"} <= set((await api.get("/"))["paths"])


async def test_a_server_that_has_gone_leaves_what_is_known_of_it_and_is_stale(registered: Other, api: Api) -> None:
    await until_fresh(api, "Current")
    await api.patch(f"{SLICES}/other-1", {"endpoints": []})
    assert (await until_available(api, reason="MissingEndpoints"))["status"] == "False"
    found = await until_fresh(api, "Stale")
    assert [each["resource"] for each in found["resources"]] == ["things"]
    assert (await api.refused("GET", "/apis/example.org/v1")).code == 503
    assert (await api.get("/apis/batch/v1"))["groupVersion"] == "batch/v1"
    await api.patch(f"{SLICES}/other-1", {"endpoints": slice_of()["endpoints"]})
    await until_fresh(api, "Current")


async def test_a_server_that_takes_connections_and_says_nothing_holds_up_nobody(api: Api, network: Network, other: Other) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        network.ports["10.244.0.66", PORT] = server.sockets[0].getsockname()[1]
        await expose(api)
        await api.patch(f"{SLICES}/other-1", {"endpoints": [{"addresses": ["10.244.0.66"]}]})
        await api.post(APISERVICES, other.registration())
        async with asyncio.timeout(1):
            assert (await version_of(api, "example.org"))["freshness"] == "Stale"
            assert (await api.get("/apis"))["kind"] == "APIGroupList"
        said = await until_available(api, reason="FailedDiscoveryCheck")
        assert said["message"].endswith("/apis/example.org/v1: context deadline exceeded") or said["message"].endswith("i/o timeout")


async def test_a_bad_status_is_told(registered: Other, api: Api) -> None:
    registered.status = 500
    await api.patch(f"{SLICES}/other-1", {"metadata": {"labels": {"x": "y"}}})
    said = await until_available(api, reason="FailedDiscoveryCheck")
    assert said["message"].endswith("bad status from https://other.default.svc:443/apis/example.org/v1: 500")
    registered.status = 200
    await until_available(api)


async def test_nobody_is_shown_a_group_longer_than_it_is_registered(registered: Other, api: Api) -> None:
    await api.delete(f"{APISERVICES}/v1.example.org")
    assert (await api.refused("GET", "/apis/example.org/v1")).code == 404
    assert "example.org" not in [each["name"] for each in (await api.get("/apis"))["groups"]]


async def test_a_metrics_server_takes_the_place_of_our_own_figures_and_gives_it_back(api: Api, other: Other, admin: Person) -> None:
    pods = f"{METRICS}/namespaces/default/pods"
    assert (await api.get(pods))["kind"] == "PodMetricsList"
    await expose(api)
    name = "v1beta1.metrics.k8s.io"
    await until_available(api, name, "Local")
    await api.patch(f"{APISERVICES}/{name}", {"spec": other.registration(name)["spec"]})
    await until_available(api, name)
    assert (await admin.ask(pods)).status == 200
    assert [each.path for each in other.asked] == [pods]
    await api.delete(f"{APISERVICES}/{name}")
    assert (await api.get(pods))["kind"] == "PodMetricsList"
    await until_available(api, name, "Local")


async def test_a_version_of_our_own_is_not_given_away(registered: Other, api: Api) -> None:
    await until_available(api, "v1.batch", "Local")
    await api.patch(f"{APISERVICES}/v1.batch", {"spec": registered.registration("v1.batch")["spec"]})
    await until_available(api, "v1.batch", "ServedLocally")
    assert (await api.get("/apis/batch/v1/jobs"))["kind"] == "JobList"
    assert registered.asked == []


async def test_servers_of_others_learn_whom_to_believe(api: Api, front_proxy: Any) -> None:
    data = (await api.get("/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"))["data"]
    assert data["requestheader-client-ca-file"] == Path(front_proxy.authority).read_text()
    assert data["requestheader-allowed-names"] == '["front-proxy-client"]'
    assert data["requestheader-username-headers"] == '["X-Remote-User"]'
    assert data["client-ca-file"].startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (None, []),
        ({"resources": "many"}, []),
        ({"resources": [1, {}, {"name": 7}, {"name": "a", "verbs": [1, "get"], "namespaced": "yes", "shortNames": "x"}]}, ["a"]),
        ({"resources": [{"name": "a/scale", "kind": "Scale", "group": "autoscaling", "version": "v1"}]}, ["a"]),
        ({"resources": [{"name": f"r{number}"} for number in range(5000)]}, [f"r{number}" for number in range(2000)]),
    ],
)
def test_a_list_of_resources_is_taken_as_far_as_it_has_the_shape(document: Object | None, found: list[str]) -> None:
    assert [each["resource"] for each in entries(document, "g", "v")] == found


async def test_the_description_of_another_server_is_listed_and_asked_of_it(registered: Other, api: Api, admin: Person) -> None:
    name = "apis/example.org/v1"
    described = {"openapi": "3.0.0", "info": {"title": "other"}, "paths": {}}
    url = f"/openapi/v3/{name}?hash=ABC"
    registered.documents = {"/openapi/v3": {"paths": {name: {"serverRelativeURL": url}}}, f"/openapi/v3/{name}": described}
    await api.patch(f"{SLICES}/other-1", {"metadata": {"labels": {"x": "y"}}})
    async with asyncio.timeout(10):
        while (found := (await api.get("/openapi/v3"))["paths"].get(name)) is None:
            await asyncio.sleep(0.05)
    assert found == {"serverRelativeURL": url}
    assert (await admin.ask(url)).body == dumps(described)
    assert registered.checked[-1].headers["x-remote-user"] == "admin"


@pytest.mark.parametrize("document", [{}, [], {"apis/example.org/v1": "x"}, {"apis/example.org/v1": {"serverRelativeURL": "/api/v1"}}])
def test_an_index_of_descriptions_leads_nowhere_else(document: Any) -> None:
    assert description_in({"paths": document}, "apis/example.org/v1") == ""
