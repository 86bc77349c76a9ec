"""Proxies in discovery and in OpenAPI: clients that are generated from these know them."""

import pytest

from tests.engine.apiserver.api import Api

VERBS = ["create", "delete", "get", "patch", "update"]
METHODS = {"delete", "get", "head", "options", "patch", "post", "put"}


@pytest.mark.parametrize(("resource", "kind"), [("pods", "Pod"), ("services", "Service"), ("nodes", "Node")])
async def test_discovery_names_each_proxy_with_its_kind(api: Api, resource: str, kind: str) -> None:
    found = {each["name"]: each for each in (await api.get("/api/v1"))["resources"]}[f"{resource}/proxy"]
    assert (found["kind"], found["verbs"]) == (f"{kind}ProxyOptions", VERBS)


@pytest.mark.parametrize(
    ("path", "id"),
    [
        ("/api/v1/namespaces/{namespace}/pods/{name}/proxy", "connectCoreV1GetNamespacedPodProxy"),
        ("/api/v1/namespaces/{namespace}/pods/{name}/proxy/{path}", "connectCoreV1GetNamespacedPodProxyWithPath"),
        ("/api/v1/namespaces/{namespace}/services/{name}/proxy/{path}", "connectCoreV1GetNamespacedServiceProxyWithPath"),
        ("/api/v1/nodes/{name}/proxy/{path}", "connectCoreV1GetNodeProxyWithPath"),
    ],
)
async def test_openapi_has_every_method_with_and_without_a_path(api: Api, path: str, id: str) -> None:
    found = (await api.get("/openapi/v3/api/v1"))["paths"][path]
    assert set(found) - {"parameters"} == METHODS
    assert (found["get"]["operationId"], found["get"]["x-kubernetes-action"]) == (id, "connect")
    places = [each["in"] for each in found["parameters"] if each["name"] == "path"]
    assert places == (["path", "query"] if "{path}" in path else ["query"])
