"""No secret reaches the log, whatever the policy says."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.client.transport import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from pilothouse.engine.apiserver.audit.confidential import is_confidential
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.engine.apiserver.request import routing
from pilothouse.model.schema import Catalog
from pilothouse.model.schema.crd import Node, from_crd
from tests.engine.apiserver.api import CONFIGMAPS, Api
from tests.engine.apiserver.audit.trail import Trail
from tests.engine.apiserver.https import Https

SECRETS = "/api/v1/namespaces/default/secrets"
PLAIN = "s3cr3t-of-the-test"
SECRET_FIELDS = {"stringData", "token", "password", "clientSecret", "privateKey"}
ENCODED = base64.b64encode(PLAIN.encode()).decode()


async def assert_nothing_of_it_is_logged(trail: Trail, *more: str) -> None:
    text = await trail.text()
    for secret in (PLAIN, ENCODED, *more):
        assert secret not in text


@pytest.fixture(params=["over HTTP", "in process"])
def admin(request: pytest.FixtureRequest, api: Api, https: Https) -> Api:
    return https.certified("admin", "system:masters") if request.param == "over HTTP" else api


async def test_a_secret_is_not_logged_by_any_verb(admin: Api, trail: Trail) -> None:
    path = f"{SECRETS}/a"
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": {"x": ENCODED}})}
    body = {"metadata": {"name": "a", "annotations": annotations}, "data": {"x": ENCODED}, "stringData": {"y": PLAIN}}
    await admin.post(SECRETS, body)
    await admin.put(path, body)
    await admin.patch(path, {"stringData": {"z": PLAIN}}, MERGE_PATCH)
    await admin.patch(path, {"data": {"z": ENCODED}}, STRATEGIC_PATCH)
    await admin.patch(path, [{"op": "replace", "path": "/data/x", "value": ENCODED}], JSON_PATCH)
    await admin.get(path)
    await admin.get(SECRETS)
    await admin.delete(path)
    assert {event["level"] for event in await trail.events("") if event.get("objectRef", {}).get("resource") == "secrets"} == {"Metadata"}
    await assert_nothing_of_it_is_logged(trail)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", SECRETS, {"metadata": {"name": "b"}, "data": {"x": PLAIN}}),
        ("POST", SECRETS, {"metadata": {"name": "b"}, "data": PLAIN}),
        ("POST", SECRETS, {"metadata": {"name": "b", "labels": {"x": f"{PLAIN} !"}}}),
        ("POST", SECRETS, {"kind": PLAIN}),
        ("PATCH", f"{SECRETS}/a", {"data": {"x": [PLAIN]}}),
        ("PATCH", f"{SECRETS}/a", {"type": PLAIN}),
        ("POST", CONFIGMAPS, {"kind": "Secret", "apiVersion": "v1", "stringData": {"x": PLAIN}}),
        ("POST", CONFIGMAPS, {"kind": "List", "apiVersion": "v1", "items": [{"kind": "Secret", "stringData": {"x": PLAIN}}]}),
        ("POST", CONFIGMAPS, [{"kind": "Secret", "apiVersion": "v1", "stringData": {"x": PLAIN}}]),
        ("PATCH", f"{CONFIGMAPS}/a", {"metadata": {"name": "b"}, "data": {"kind": "Secret", "data": {"x": PLAIN}}}),
    ],
)
async def test_what_is_wrong_with_a_secret_is_not_quoted(admin: Api, trail: Trail, method: str, path: str, body: Any) -> None:
    await admin.post(SECRETS, {"metadata": {"name": "a"}})
    failure = await admin.refused(method, path, body)
    assert (await trail.last(requestURI=path, stage="ResponseComplete"))["responseStatus"]["code"] == failure.code
    await assert_nothing_of_it_is_logged(trail)


@pytest.mark.parametrize(
    "path",
    [
        *("/api/v1/namespaces/default/secret", "/api/v1/namespaces/default/secretss", "/api/v1/secrets/a", "/apis/v1/secrets"),
        *(
            "/api/v1/namespaces/default/configmaps/a/data",
            "/apis/apps/v1/namespaces/default/configmaps",
            "/api/v1/namespace/default/secret",
        ),
        *("/api/v2/namespaces/default/configmaps", "/apis/authentication.k8s.io/v1/tokenreview", "/secrets"),
    ],
)
async def test_a_body_that_was_sent_to_where_nothing_is_served_is_not_logged(admin: Api, trail: Trail, path: str) -> None:
    for method in ("POST", "PUT"):
        await admin.refused(method, path, {"metadata": {"name": "b"}, "data": {"x": ENCODED}, "spec": {"token": PLAIN}})
    assert (await trail.last(requestURI=path))["responseStatus"]["code"] in (404, 405)
    await assert_nothing_of_it_is_logged(trail)


async def test_tokens_are_not_logged(admin: Api, trail: Trail) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    token = (await admin.post(path, {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}))["status"]["token"]
    await admin.post("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token}})
    assert (await trail.last(verb="create"))["objectRef"]["resource"] == "tokenreviews"
    await assert_nothing_of_it_is_logged(trail, token)


async def test_a_token_that_signs_in_is_not_logged(api: Api, https: Https, trail: Trail) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    token = (await api.post(path, {}))["status"]["token"]
    await https.bearing(token).refused("GET", CONFIGMAPS)
    assert (await trail.last(verb="list"))["user"]["username"] == "system:serviceaccount:default:default"
    await assert_nothing_of_it_is_logged(trail, token)


def named_fields(node: Node, seen: set[int]) -> Iterator[tuple[str, Node]]:
    """All fields at any depth."""
    if id(node) in seen:
        return
    seen.add(id(node))
    for name, inner in node.properties.items():
        yield name, inner
        yield from named_fields(inner, seen)
    for below in (node.items, node.additional):
        if below is not None:
            yield from named_fields(below, seen)


@pytest.mark.parametrize("group_resource", BUILT_IN)
def test_every_kind_with_a_field_for_a_secret_is_confidential(group_resource: str, state: Path) -> None:
    kind = BUILT_IN[group_resource]
    schema = Catalog.load(state).schema(kind.definition) if kind.openapi is None else from_crd(kind.openapi)
    found = {name for name, _ in named_fields(schema.whole, set())} & SECRET_FIELDS
    assert not found or is_confidential(routing.parse(f"{kind.resource.path()}"))


def test_the_search_finds_fields_for_secrets(state: Path) -> None:
    catalog = Catalog.load(state)
    for kind in ("core.v1.Secret", "authentication.v1.TokenReview", "authentication.v1.TokenRequest"):
        assert {name for name, _ in named_fields(catalog.schema(f"io.k8s.api.{kind}").whole, set())} & SECRET_FIELDS
