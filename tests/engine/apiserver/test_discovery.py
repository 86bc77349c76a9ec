"""What clients learn before they ask for anything."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse.engine.apiserver.resources.served import version_rank
from pilothouse.model.schema.enums import ENUMS
from tests.engine.apiserver.api import Api


async def test_every_group_names_its_preferred_version(api: Api) -> None:
    for group in (await api.get("/apis"))["groups"]:
        assert group["preferredVersion"] in group["versions"]


async def test_a_version_lists_resources_with_their_subresources(api: Api) -> None:
    names = [resource["name"] for resource in (await api.get("/apis/apps/v1"))["resources"]]
    assert {"deployments", "deployments/scale", "deployments/status"} <= set(names)


def test_stable_versions_come_first() -> None:
    versions = ["v1alpha1", "frob", "v2beta1", "v1", "v10", "v2"]
    assert sorted(versions, key=version_rank) == ["v10", "v2", "v1", "v2beta1", "v1alpha1", "frob"]


async def test_the_schema_of_a_pod_is_in_openapi(api: Api) -> None:
    index = (await api.get("/openapi/v3"))["paths"]
    assert index["api/v1"]["serverRelativeURL"].startswith("/openapi/v3/api/v1?hash=")
    document = await api.get("/openapi/v3/api/v1")
    assert "containers" in document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]
    patch = document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "", "kind": "Pod", "version": "v1"}


async def test_health_says_which_checks_it_made(api: Api) -> None:
    assert await api.get("/healthz") == "ok"
    assert "[+]ping ok" in await api.get("/readyz", verbose="")


async def test_metrics_count_nothing_that_did_not_come_over_the_wire(api: Api) -> None:
    assert "pilothouse_store_revision" in await api.get("/metrics")


async def test_every_schema_that_a_document_refers_to_is_in_it(api: Api) -> None:
    index = (await api.get("/openapi/v3"))["paths"]
    for path in ["/openapi/v2", *(f"/openapi/v3/{name}" for name in index)]:
        document = await api.get(path)
        found = document.get("definitions") or document["components"]["schemas"]
        assert {reference.rpartition("/")[2] for reference in references(document)} <= found.keys(), path


def references(value: Any) -> Iterator[str]:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and isinstance(value.get("$ref"), str):
        yield value["$ref"]
    for child in children:
        yield from references(child)


async def test_operations_have_ids_of_their_own(api: Api) -> None:
    paths = (await api.get("/openapi/v2"))["paths"]
    operations = [each["operationId"] for item in paths.values() for method, each in item.items() if method != "parameters"]
    assert len(operations) == len(set(operations))


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/api/v1"])
async def test_a_document_is_made_beside_the_event_loop(api: Api, path: str) -> None:
    in_loop, in_all = time.thread_time(), time.process_time()
    await api.get(path)
    in_loop, in_all = time.thread_time() - in_loop, time.process_time() - in_all
    assert in_loop < in_all / 2


async def test_openapi_says_how_a_session_is_opened_and_what_logs_take(api: Api) -> None:
    paths = (await api.get("/openapi/v2"))["paths"]
    pod = "/api/v1/namespaces/{namespace}/pods/{name}"
    session, log = paths[f"{pod}/exec"], paths[f"{pod}/log"]
    assert session["get"]["operationId"] == "connectCoreV1GetNamespacedPodExec"
    assert {each["name"]: each["type"] for each in session["parameters"]}["tty"] == "boolean"
    assert {"tailLines", "follow", "pretty"} <= {each["name"] for each in log["parameters"]}


async def test_only_what_can_be_applied_to_says_so(api: Api) -> None:
    paths = (await api.get("/openapi/v2"))["paths"]
    scale = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["patch"]
    assert "application/apply-patch+yaml" in scale["consumes"]
    assert scale["parameters"][-1]["schema"] == {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Patch"}


async def test_a_quantity_is_a_text_or_a_number_where_openapi_can_say_so(api: Api) -> None:
    name = "io.k8s.apimachinery.pkg.api.resource.Quantity"
    assert (await api.get("/openapi/v2"))["definitions"][name]["type"] == "string"
    schema = (await api.get("/openapi/v3/api/v1"))["components"]["schemas"][name]
    assert schema["oneOf"] == [{"type": "string"}, {"type": "number"}]


async def test_the_state_of_the_store_can_be_asked_for_as_a_component(api: Api) -> None:
    found = await api.get("/api/v1/componentstatuses")
    assert [each["metadata"]["name"] for each in found["items"]] == ["etcd-0"]
    assert (await api.get("/api/v1/componentstatuses/etcd-0"))["conditions"][0]["status"] == "True"
    assert (await api.refused("GET", "/api/v1/componentstatuses/x")).code == 404
    assert (await api.refused("DELETE", "/api/v1/componentstatuses/etcd-0")).code == 405


async def test_openapi_names_the_words_that_a_field_takes(api: Api) -> None:
    definitions = (await api.get("/openapi/v2"))["definitions"]
    assert definitions["io.k8s.api.core.v1.PodSpec"]["properties"]["restartPolicy"]["enum"] == ["Always", "Never", "OnFailure"]
    assert definitions["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ipFamilies"]["items"]["enum"] == ["", "IPv4", "IPv6"]
    assert ENUMS.keys() <= definitions.keys()
    assert all(list(values) == sorted(values) for fields in ENUMS.values() for values in fields.values())
