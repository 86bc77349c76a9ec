"""What answers and their warnings say, where clients rely on it."""

import pytest

from pilothouse.client.transport import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from pilothouse.engine.apiserver.answer import RawResponse
from pilothouse.engine.apiserver.discovery.aggregated import CONTENT_TYPE
from pilothouse.engine.apiserver.request.negotiate import JSON, PROTOBUF
from pilothouse.engine.apiserver.request.request import ApiRequest, PlainHeaders
from pilothouse.engine.apiserver.request.routing import parse
from pilothouse.model.errors import NotAcceptable
from pilothouse.model.json import Object
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap, pod
from tests.engine.apiserver.test_crds import CRDS, definition
from tests.people import ADMIN

JOBS = "/apis/batch/v1/namespaces/default/jobs"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1"}


async def test_an_owner_that_is_named_twice_is_kept_once(api: Api, warned: list[str]) -> None:
    twice = configmap("m") | {"metadata": {"name": "m", "ownerReferences": [OWNER, OWNER | {"name": "y"}, OWNER]}}
    made = await api.post(CONFIGMAPS, twice)
    assert made["metadata"]["ownerReferences"] == [OWNER, OWNER | {"name": "y"}]
    patched = await api.patch(f"{CONFIGMAPS}/m", {"metadata": {"ownerReferences": [OWNER, OWNER]}})
    assert patched["metadata"]["ownerReferences"] == [OWNER]
    assert len(warned) == 2
    assert "ownerReferences" in warned[0]


async def test_who_deletes_a_job_hears_that_its_pods_stay(api: Api, warned: list[str]) -> None:
    template = {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}}
    for name in ("a", "b"):
        await api.post(JOBS, {"metadata": {"name": name}, "spec": {"suspend": True, "template": template}})
    await api.delete(f"{JOBS}/a", propagationPolicy="Background")
    assert warned == []
    await api.delete(f"{JOBS}/b")
    assert "propagationPolicy=Background" in warned[0]


async def test_a_dry_run_says_no_version_unless_the_client_does(api: Api) -> None:
    assert "resourceVersion" not in (await api.post(CONFIGMAPS, configmap("m"), dryRun="All"))["metadata"]
    stated = {"metadata": {"name": "m", "resourceVersion": "5"}}
    assert (await api.post(CONFIGMAPS, stated, dryRun="All"))["metadata"]["resourceVersion"] == "5"


async def test_an_unknown_field_that_comes_twice_is_complained_of_once(api: Api, warned: list[str]) -> None:
    body = b'{"metadata":{"name":"m"},"a":{"b":1,"b":2},"a":2,"data":{},"data":{}}'
    await api.server.call(ApiRequest("POST", parse(CONFIGMAPS), {}, PlainHeaders({}), body, ADMIN))
    assert warned == ['unknown field "a"', 'duplicate field "data"']


async def test_fields_of_a_built_in_kind_are_complained_of_in_the_order_of_the_body(api: Api) -> None:
    text = b'{"metadata":{"name":"m","x":1},"data":{"k":"1","k":"2"},"y":1,"data":{}}'
    error = await api.refused("POST", CONFIGMAPS, text, fieldValidation="Strict")
    wanted = ['unknown field "metadata.x"', 'duplicate field "data.k"', 'unknown field "y"', 'duplicate field "data"']
    assert error.message.endswith(f"strict decoding error: {', '.join(wanted)}")


@pytest.mark.parametrize(
    ("media", "body", "complaint"),
    [
        (MERGE_PATCH, b'{"data":{"k":"1","k":"2"},"x":1}', 'duplicate field "data.k", unknown field "x"'),
        (STRATEGIC_PATCH, b'{"data":{"k":"1","k":"2"}}', 'duplicate field "data.k"'),
        (
            JSON_PATCH,
            b'[{"op":"add","path":"/x","value":1,"value":2,"note":1}]',
            'json patch duplicate field "[0].value", json patch unknown field "[0].note", unknown field "x"',
        ),
    ],
)
async def test_a_patch_is_as_strict_as_it_is_asked_to_be(api: Api, warned: list[str], media: str, body: bytes, complaint: str) -> None:
    await api.post(CONFIGMAPS, configmap("m", k="0"))
    error = await api.refused("PATCH", f"{CONFIGMAPS}/m", body, media, fieldValidation="Strict")
    assert (error.code, error.message.endswith(f": strict decoding error: {complaint}")) == (422, True), error.message
    await api.patch(f"{CONFIGMAPS}/m", body, media)
    assert warned == complaint.split(", ")
    assert (await api.patch(f"{CONFIGMAPS}/m", body, media, fieldValidation="Ignore"))["metadata"]["name"] == "m"
    assert warned == complaint.split(", ")


async def test_a_patch_of_a_scale_is_strict_too(api: Api) -> None:
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod("d")["spec"]}}
    await api.post(DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": spec})
    error = await api.refused("PATCH", f"{DEPLOYMENTS}/d/scale", {"spec": {"x": 1}}, MERGE_PATCH, fieldValidation="Strict")
    assert (error.code, 'unknown field "spec.x"' in error.message) == (422, True)


@pytest.mark.parametrize("content_type", ["application/json; charset", "application/yaml;x", "text/plain"])
async def test_a_body_of_an_unknown_form_is_415(api: Api, content_type: str) -> None:
    error = await api.refused("POST", CONFIGMAPS, configmap("m"), content_type)
    assert (error.code, JSON in error.message, PROTOBUF in error.message) == (415, True, True)


async def test_keys_to_be_retained_are_all_that_a_patch_may_set(api: Api) -> None:
    spec: Object = {"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "w", "configMap": {"name": "x"}}]}
    wanted = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec}}
    await api.post(DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": wanted})
    volume = {"$retainKeys": ["name"], "name": "w", "secret": {"secretName": "s"}}
    patch = {"spec": {"template": {"spec": {"volumes": [volume]}}}}
    error = await api.refused("PATCH", f"{DEPLOYMENTS}/d", patch, STRATEGIC_PATCH)
    assert (error.code, error.reason) == (400, "BadRequest")


async def test_a_review_about_the_whole_cluster_is_in_no_namespace(api: Api) -> None:
    review = {"metadata": {"namespace": "x"}, "spec": {"token": "nope"}}
    answer = await api.post("/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert "namespace" not in answer["metadata"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}),
        ("/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": {}}),
    ],
)
async def test_what_cannot_be_read_is_not_shown_as_a_table(api: Api, path: str, body: Object) -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    with pytest.raises(NotAcceptable):
        await api.server.call(ApiRequest("POST", parse(path), {}, PlainHeaders({"accept": table}), body, ADMIN))


async def document(api: Api, path: str, query: dict[str, list[str]] | None = None, *, tag: str = "") -> RawResponse:
    given = PlainHeaders({"accept": CONTENT_TYPE if path == "/apis" else JSON, "if-none-match": tag})
    answer = await api.server.call(ApiRequest("GET", parse(path), query or {}, given, b"", ADMIN))
    assert isinstance(answer, RawResponse)
    return answer


@pytest.mark.parametrize("path", ["/apis", "/openapi/v2"])
async def test_a_document_is_sent_again_only_when_it_has_changed(api: Api, path: str) -> None:
    tag = dict((await document(api, path)).headers)["etag"]
    again = await document(api, path, tag=f'"x", {tag}')
    assert (again.status, again.body) == (304, b"")
    await api.post(CRDS, definition())
    assert (await document(api, path, tag=tag)).status == 200


async def test_a_document_that_is_asked_for_by_an_old_hash_is_elsewhere(api: Api) -> None:
    path = "/openapi/v3/apis/apps/v1"
    moved = await document(api, path, {"hash": ["OLD"]})
    location = dict(moved.headers)["location"]
    assert (moved.status, location.partition("=")[0]) == (301, f"{path}?hash")
    found = await document(api, path, {"hash": [location.partition("=")[2]]})
    assert (found.status, dict(found.headers)["cache-control"]) == (200, "public, immutable")
