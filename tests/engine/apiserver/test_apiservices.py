"""Which server answers for what, as APIServices say it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https
from tests.engine.apiserver.test_crds import CRDS, definition

APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
SERVICE = {"name": "s", "namespace": "default"}


def apiservice(name: str = "v1.example.org", **spec: Any) -> Object:
    version, _, group = name.partition(".")
    stated = {"group": group, "version": version, "groupPriorityMinimum": 1, "versionPriority": 1}
    return {"metadata": {"name": name}, "spec": stated | spec}


@pytest.fixture(params=["over HTTP", "in process"])
def admin(request: pytest.FixtureRequest, api: Api, https: Https) -> Api:
    return https.certified("admin", "system:masters") if request.param == "over HTTP" else api


async def until(api: Api, name: str, claim: Callable[[Object | None], object]) -> Any:
    async with asyncio.timeout(15):
        while True:
            try:
                found = await api.get(f"{APISERVICES}/{name}")
            except NotFound:
                found = None
            if claim(found):
                return found
            await asyncio.sleep(0.01)


async def test_every_version_that_is_served_has_an_apiservice(api: Api) -> None:
    served = [f"{each['preferredVersion']['version']}.{each['name']}" for each in (await api.get("/apis"))["groups"]]
    for name in ["v1.", *served]:
        assert meta.is_true(await until(api, name, bool), "Available")


async def test_the_apiservice_of_a_custom_group_comes_and_goes_with_it(api: Api) -> None:
    await api.post(CRDS, definition())
    found = await until(api, "v1.example.com", bool)
    assert found["spec"] == {"group": "example.com", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 100}
    await api.delete(f"{CRDS}/things.example.com")
    await until(api, "v1.example.com", lambda found: found is None)


async def test_an_apiservice_of_the_server_itself_is_made_again(api: Api) -> None:
    uid = (await until(api, "v1.batch", bool))["metadata"]["uid"]
    await api.delete(f"{APISERVICES}/v1.batch")
    await until(api, "v1.batch", lambda found: found and found["metadata"]["uid"] != uid)


async def until_said(api: Api, reason: str) -> str:
    """The message of the APIService's condition once it has the reason."""

    def is_said(found: Object | None) -> bool:
        condition = meta.condition(found or {}, "Available") or {}
        return (condition.get("status"), condition.get("reason")) == ("False", reason)

    found = meta.condition(await until(api, "v1.example.org", is_said), "Available")
    assert found is not None
    return str(found["message"])


async def _refused(*_: object) -> Any:
    raise ConnectionRefusedError(111, "Connection refused")


async def test_an_apiservice_of_another_server_says_what_is_missing(api: Api) -> None:
    api.server.connector.dial = _refused
    made = await api.post(APISERVICES, apiservice(service=SERVICE, insecureSkipTLSVerify=True))
    assert made["spec"]["service"]["port"] == 443
    assert await until_said(api, "ServiceNotFound") == 'service/s in "default" is not present'
    await api.post("/api/v1/namespaces/default/services", {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "a", "port": 80}]}})
    assert await until_said(api, "ServicePortError") == 'service/s in "default" is not listening on port 443'
    await api.patch("/api/v1/namespaces/default/services/s", {"spec": {"ports": [{"name": "a", "port": 443}]}})
    assert await until_said(api, "EndpointsNotFound") == 'cannot find endpointslices for service/s in "default"'
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    labels = {"kubernetes.io/service-name": "s"}
    await api.post(slices, {"metadata": {"name": "s", "labels": labels}, "addressType": "IPv4", "endpoints": []})
    assert await until_said(api, "MissingEndpoints") == 'endpointslices for service/s in "default" have no addresses with port name "a"'
    await api.patch(f"{slices}/s", {"endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"name": "a", "port": 8443}]})
    message = await until_said(api, "FailedDiscoveryCheck")
    url = "https://s.default.svc:443/apis/example.org/v1"
    assert message.startswith(f"failing or missing response from {url}: dial tcp 10.0.0.1:8443: connect: connection refused")
    await api.delete(f"{slices}/s")
    await until_said(api, "EndpointsNotFound")


@pytest.mark.parametrize(
    "path", ["/apis/example.org/v1", "/apis/example.org/v1/namespaces/default/things", "/apis/example.org/v1/things/a"]
)
async def test_a_version_of_another_server_is_unavailable(admin: Api, path: str) -> None:
    assert (await admin.refused("GET", path)).code == 404
    await admin.post(APISERVICES, apiservice(service=SERVICE))
    for method in ("GET", "POST", "DELETE"):
        assert (await admin.refused(method, path)).code == 503
    await admin.delete(f"{APISERVICES}/v1.example.org")
    assert (await admin.refused("GET", path)).code == 404


async def test_who_has_no_right_does_not_learn_that_it_is_unavailable(api: Api, https: Https) -> None:
    await api.post(APISERVICES, apiservice(service=SERVICE))
    assert (await https.certified("ann").refused("GET", "/apis/example.org/v1/things")).code == 403


async def test_what_nobody_answers_for_is_listed_all_the_same(api: Api) -> None:
    for name, priority in (("v1.example.org", 1), ("v2alpha1.example.org", 9)):
        await api.post(APISERVICES, apiservice(name, versionPriority=priority, service=SERVICE))
    assert [each["version"] for each in (await api.get("/apis/example.org"))["versions"]] == ["v2alpha1", "v1"]
    assert "example.org" in [each["name"] for each in (await api.get("/apis"))["groups"]]


async def test_what_the_server_serves_itself_stays_served(api: Api) -> None:
    await until(api, "v1.batch", bool)
    await api.patch(f"{APISERVICES}/v1.batch", {"spec": {"service": SERVICE | {"port": 443}}})
    assert (await api.get("/apis/batch/v1"))["groupVersion"] == "batch/v1"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"groupPriorityMinimum": 0}, "spec.groupPriorityMinimum"),
        ({"versionPriority": 1001}, "spec.versionPriority"),
        ({"version": "v2"}, "metadata.name"),
        ({"service": {"name": "s"}}, "spec.service.namespace"),
        ({"insecureSkipTLSVerify": True}, "spec.insecureSkipTLSVerify"),
        ({"service": SERVICE, "caBundle": "QQ==", "insecureSkipTLSVerify": True}, "spec.insecureSkipTLSVerify"),
    ],
)
async def test_an_apiservice_that_makes_no_sense_is_refused(api: Api, wrong: Object, field: str) -> None:
    error = await api.refused("POST", APISERVICES, apiservice(**wrong))
    assert error.details is not None
    assert [cause["field"] for cause in error.details["causes"]] == [field]
