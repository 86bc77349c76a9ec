"""What clients learn before they ask for anything."""

from pilothouse.engine.apiserver.resources.served import version_rank
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
