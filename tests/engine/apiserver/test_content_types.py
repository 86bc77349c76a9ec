"""Every encoding that kubectl, client-go and the Python clients use, for every verb that takes a body, and for answers."""

import asyncio
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse.client.transport import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from pilothouse.engine.apiserver.request.negotiate import JSON, PROTOBUF, YAML
from pilothouse.model import protobuf
from pilothouse.model.json import Object, dumps, loads
from tests.engine.apiserver.api import CONFIGMAPS, PODS, Api, configmap, pod
from tests.engine.apiserver.test_crds import CRDS, definition
from tests.engine.apiserver.test_http import connected

CBOR = "application/cbor"
NAMESPACE = "/api/v1/namespaces/default"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
LABELS = {"app": "d"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": pod("d")["spec"]}
DEPLOYMENT = {"metadata": {"name": "d"}, "spec": {"replicas": 0, "selector": {"matchLabels": LABELS}, "template": TEMPLATE}}
ATTRIBUTES = {"verb": "get", "resource": "pods", "namespace": "default"}
AUTHORIZATION = "/apis/authorization.k8s.io/v1"
AUTHENTICATION = "/apis/authentication.k8s.io/v1"
WRITES: list[tuple[str, str, Object, int]] = [
    ("POST", CONFIGMAPS, {"kind": "ConfigMap", "apiVersion": "v1", **configmap("new", x="1")}, 201),
    ("PUT", f"{CONFIGMAPS}/a", {"kind": "ConfigMap", "apiVersion": "v1", **configmap("a", x="1")}, 200),
    ("DELETE", f"{CONFIGMAPS}/a", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}, 200),
    ("DELETE", CONFIGMAPS, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}, 200),
    ("POST", f"{PODS}/p/binding", {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": "p"}, "target": {"name": "n1"}}, 201),
    ("POST", f"{PODS}/p/eviction", {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "p"}}, 201),
    ("PUT", f"{PODS}/p/status", {"kind": "Pod", "apiVersion": "v1", **pod("p"), "status": {"phase": "Running"}}, 200),
    ("PUT", f"{DEPLOYMENTS}/d", {"kind": "Deployment", "apiVersion": "apps/v1", **DEPLOYMENT}, 200),
    ("PUT", f"{DEPLOYMENTS}/d/status", {"kind": "Deployment", "apiVersion": "apps/v1", **DEPLOYMENT, "status": {"replicas": 1}}, 200),
    (
        "PUT",
        f"{DEPLOYMENTS}/d/scale",
        {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "d", "namespace": "default"}, "spec": {"replicas": 2}},
        200,
    ),
    ("PUT", f"{NAMESPACE}/finalize", {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "default"}, "spec": {}}, 200),
    (
        "POST",
        f"{NAMESPACE}/serviceaccounts/default/token",
        {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {"expirationSeconds": 600, "audiences": []}},
        201,
    ),
    (
        "POST",
        f"{AUTHENTICATION}/tokenreviews",
        {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": "x"}},
        201,
    ),
    ("POST", f"{AUTHENTICATION}/selfsubjectreviews", {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}, 201),
    *(
        ("POST", f"{AUTHORIZATION}/{kind.lower()}s", {"kind": kind, "apiVersion": "authorization.k8s.io/v1", "spec": spec}, 201)
        for kind, spec in (
            ("SubjectAccessReview", {"user": "ann", "extra": {"a": ["b"]}, "resourceAttributes": ATTRIBUTES}),
            ("SelfSubjectAccessReview", {"resourceAttributes": ATTRIBUTES}),
            ("SelfSubjectRulesReview", {"namespace": "default"}),
        )
    ),
    ("POST", CRDS, {"kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1", **definition()}, 201),
]
IDS = [f"{method} {path.rpartition('v1/')[2]}" for method, path, _, _ in WRITES]
ENCODED = {JSON: dumps, YAML: lambda value: yaml.safe_dump(value).encode(), PROTOBUF: protobuf.encoded}


@dataclass
class Answer:
    code: int
    type: str
    body: bytes

    @property
    def value(self) -> Any:
        match self.type:
            case "application/json":
                return loads(self.body)
            case "application/yaml":
                return yaml.safe_load(self.body)
        return protobuf.decode(self.body)[2]


class Raw:
    """Requests of an administrator, whose bytes and headers the test chooses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def ask(self, method: str, path: str, body: bytes = b"", content_type: str = "", accept: str = JSON) -> Answer:
        head = await self.head(method, path, body, content_type, accept)
        length = int(head["content-length"])
        return Answer(int(head[""].split()[1]), head["content-type"], await self.reader.readexactly(length))

    async def head(self, method: str, path: str, body: bytes = b"", content_type: str = "", accept: str = JSON) -> dict[str, str]:
        """The headers of the answer, and its first line as ""."""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Accept: {accept}", f"Content-Length: {len(body)}"]
        lines += [f"Content-Type: {content_type}"] if content_type else []
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        async with asyncio.timeout(10):
            first, *rest = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        return {"": first} | {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}


@pytest.fixture
async def raw(kubeconfig: Path, tmp_path: Path, api: Api) -> Any:
    await api.post(CONFIGMAPS, configmap("a"))
    await api.post(PODS, pod("p"))
    await api.post(DEPLOYMENTS, DEPLOYMENT)
    async with connected(kubeconfig, tmp_path) as streams:
        yield Raw(*streams)


@pytest.mark.parametrize("media", ENCODED)
@pytest.mark.parametrize(("method", "path", "value", "code"), WRITES, ids=IDS)
async def test_every_write_takes_every_encoding(raw: Raw, method: str, path: str, value: Object, code: int, media: str) -> None:
    answer = await raw.ask(method, path, ENCODED[media](value), f"{media}; charset=utf-8")
    assert (answer.code, answer.type) == (code, JSON), answer.body


@pytest.mark.parametrize(("method", "path", "value", "code"), WRITES, ids=IDS)
async def test_no_write_takes_cbor(raw: Raw, method: str, path: str, value: Object, code: int) -> None:
    answer = await raw.ask(method, path, dumps(value), CBOR)
    assert (answer.code, answer.value["reason"]) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize("path", [f"{DEPLOYMENTS}/d", f"{DEPLOYMENTS}/d/status", f"{DEPLOYMENTS}/d/scale"])
@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        (MERGE_PATCH, b'{"spec":{"replicas":1}}', 200),
        (f"{MERGE_PATCH}; charset=utf-8", b'{"spec":{"replicas":1}}', 200),
        (STRATEGIC_PATCH, b'{"spec":{"replicas":1}}', 200),
        (JSON_PATCH, b'[{"op":"replace","path":"/spec/replicas","value":1}]', 200),
        (JSON, b"{}", 415),
        (YAML, b"{}", 415),
        (PROTOBUF, b"{}", 415),
        ("application/apply-patch+cbor", b"{}", 415),
        (CBOR, b"{}", 415),
    ],
)
async def test_every_patch_takes_the_types_of_patches(raw: Raw, path: str, content_type: str, body: bytes, code: int) -> None:
    answer = await raw.ask("PATCH", path, body, content_type)
    assert answer.code == code, answer.body
    if code == 415:
        assert answer.value["message"] == "415: Unsupported Media Type"


@pytest.mark.parametrize("encode", [dumps, ENCODED[YAML]])
async def test_an_application_is_yaml_or_json(raw: Raw, encode: Any) -> None:
    value = {"apiVersion": "v1", "kind": "ConfigMap", **configmap("a", x="1")}
    answer = await raw.ask("PATCH", f"{CONFIGMAPS}/a?fieldManager=me&force=true", encode(value), APPLY_PATCH)
    assert (answer.code, answer.value["data"]) == (200, {"x": "1"})


ANSWERS = [
    ("GET", f"{PODS}/p", 200),
    ("GET", PODS, 200),
    ("GET", f"{DEPLOYMENTS}/d/scale", 200),
    ("GET", f"{CONFIGMAPS}/missing", 404),
    ("DELETE", f"{CONFIGMAPS}/a", 200),
]


@pytest.mark.parametrize("media", ENCODED)
@pytest.mark.parametrize(("method", "path", "code"), ANSWERS)
async def test_an_answer_is_the_same_in_every_encoding(raw: Raw, method: str, path: str, code: int, media: str) -> None:
    if path == PODS:
        # Other writes may move the revision of lists between two answers.
        version = (await raw.ask("GET", path)).value["metadata"]["resourceVersion"]
        path = f"{path}?resourceVersion={version}&resourceVersionMatch=Exact"
    answer = await raw.ask(method, path, accept=media)
    assert (answer.code, answer.type) == (code, media)
    if method == "GET" and code == 200:
        wanted = await raw.ask("GET", path)
        assert answer.body == protobuf.encoded(wanted.value) if media == PROTOBUF else answer.value == wanted.value


@pytest.mark.parametrize(
    ("accept", "type"),
    [
        (f"{PROTOBUF},{JSON}", JSON),
        (f"{PROTOBUF}, */*", JSON),
        (f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{JSON}", JSON),
        (f"{CBOR};q=1, {JSON};q=0.9", JSON),
        (f"{CBOR}, {PROTOBUF}", PROTOBUF),
    ],
)
async def test_a_client_gets_the_first_that_is_served_and_protobuf_last(raw: Raw, accept: str, type: str) -> None:
    answer = await raw.ask("GET", f"{PODS}/p", accept=accept)
    assert (answer.code, answer.type) == (200, type)


@pytest.mark.parametrize("accept", [CBOR, "text/html", "application/*", f"{PROTOBUF};as=Table;g=meta.k8s.io;v=v1"])
async def test_who_takes_nothing_that_is_served_gets_406(raw: Raw, accept: str) -> None:
    for path in (f"{PODS}/p", PODS, f"{PODS}?watch=true"):
        assert (await raw.ask("GET", path, accept=accept)).code == 406


async def test_a_custom_resource_is_never_protobuf(raw: Raw, api: Api) -> None:
    await api.post(CRDS, definition())
    path = "/apis/example.com/v1/namespaces/default/things"
    for accept, code, type in ((PROTOBUF, 406, PROTOBUF), ("text/html", 406, JSON), ("application/*", 200, JSON)):
        answer = await raw.ask("GET", path, accept=accept)
        assert (answer.code, answer.type) == (code, type)
        if code == 406:
            assert b"only the following media types are accepted: application/json, application/yaml, application/vnd" in answer.body


async def test_a_watch_in_protobuf_is_events_with_their_length_in_front(raw: Raw, api: Api) -> None:
    head = await raw.head("GET", f"{CONFIGMAPS}?watch=true", accept=f"{PROTOBUF};stream=watch")
    assert head["content-type"] == f"{PROTOBUF};stream=watch"
    async with asyncio.timeout(10):
        size = int((await raw.reader.readuntil(b"\r\n")).strip(), 16)
        chunk = await raw.reader.readexactly(size)
    (length,) = struct.unpack(">I", chunk[:4])
    event = chunk[4 : 4 + length]
    assert event.startswith(b"\n\x05ADDED\x12")
    assert protobuf.decode(event[event.index(protobuf.PREFIX) :])[2]["kind"] == "ConfigMap"
