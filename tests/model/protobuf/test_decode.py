from typing import Any

import pytest

from pilothouse.model import protobuf
from pilothouse.model.protobuf import PREFIX, ProtobufError
from pilothouse.model.protobuf.envelope import LIMIT_BYTES
from pilothouse.model.protobuf.message import MAX_DEPTH
from pilothouse.model.schema import Catalog
from tests.model.protobuf.encode import block, envelope, number, varint

CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"


def decode(value: dict[str, Any], raw: bytes | None = None) -> Any:
    return protobuf.decode(envelope(value, raw))[2]


def pod(raw: bytes) -> Any:
    return decode({"apiVersion": "v1", "kind": "Pod"}, raw)


def meta(raw: bytes) -> Any:
    return pod(block(1, raw)).get("metadata")


def test_the_caller_may_name_the_definition() -> None:
    asked: list[tuple[str, str]] = []

    def definition_of(api_version: str, kind: str) -> str:
        asked.append((api_version, kind))
        return "io.k8s.api.core.v1.ConfigMap"

    data = PREFIX + block(2, block(2, block(1, b"a") + block(2, b"b")))
    assert protobuf.decode(data, definition_of) == ("", "", {"data": {"a": "b"}})
    assert asked == [("", "")]


def test_the_envelopes_fields_come_in_any_order() -> None:
    stated, raw = block(1, block(2, b"Namespace") + block(1, b"v1")), block(2, block(1, block(1, b"x")))
    assert protobuf.decode(PREFIX + raw + block(9, b"?") + stated)[2]["metadata"] == {"name": "x"}


CRD_OBJECT = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "x.example.com"},
    "spec": {
        "group": "example.com",
        "names": {"plural": "x", "kind": "X"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.a"}],
                "schema": {
                    "openAPIV3Schema": {
                        "$ref": "r",
                        "type": "object",
                        "default": {"a": [1, None, "x"]},
                        "enum": [1, "a", None, {"b": 0}],
                        "maximum": 10,
                        "minimum": -0.5,
                        "maxLength": 0,
                        "items": {"type": "string"},
                        "additionalItems": False,
                        "additionalProperties": True,
                        "properties": {"a": {"items": [{"type": "string"}, {}]}, "b": {"additionalProperties": {"type": "integer"}}},
                        "dependencies": {"a": ["b", "c"], "d": {"type": "string"}},
                        "x-kubernetes-preserve-unknown-fields": False,
                        "x-kubernetes-validations": [{"rule": "true", "optionalOldSelf": False}],
                    }
                },
            }
        ],
    },
}


def test_a_custom_resource_definition_keeps_its_schemas_forms(catalog: Catalog) -> None:
    found = decode(CRD_OBJECT)
    assert found == CRD_OBJECT
    assert catalog.schema(CRD).decode(found).value == catalog.schema(CRD).decode(CRD_OBJECT).value


SAME = [
    {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "p"},
        "deleteOptions": {"gracePeriodSeconds": 0, "dryRun": ["All"]},
    },
    {"apiVersion": "apps/v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground", "preconditions": {"uid": "u"}},
    {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 3}},
    {"apiVersion": "apps/v1", "kind": "ControllerRevision", "data": {"spec": [1, 2.5, None]}, "revision": -1},
    {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80, "targetPort": "http"}, {"port": 1, "targetPort": 0}]}},
    {"apiVersion": "v1", "kind": "ConfigMap", "binaryData": {"k": "AAE="}, "immutable": False},
    {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"renewTime": "2024-02-29T23:59:59.000120Z", "leaseTransitions": 0}},
    {"apiVersion": "v1", "kind": "Event", "firstTimestamp": "1970-01-01T00:00:00Z", "lastTimestamp": "0900-01-01T00:00:00Z"},
    {"apiVersion": "v1", "kind": "Pod", "spec": {"securityContext": {"supplementalGroups": [0, 1, -1]}, "resources": {}}},
    {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": "u", "extra": {"a": ["b", ""], "c": []}, "nonResourceAttributes": {}},
    },
    {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {"rules": [{"http": {"paths": [{"path": "/"}]}}, {"host": "h"}]}},
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"managedFields": [{"fieldsV1": {"f:a": {}}}]},
        "spec": {"ephemeralContainers": [{"name": "a", "targetContainerName": "b"}], "overhead": {"cpu": "0"}},
    },
]


@pytest.mark.parametrize("value", SAME, ids=lambda value: value["kind"])
def test_an_object_comes_back_as_it_went(value: dict[str, Any]) -> None:
    assert decode(value) == value


def test_times_lose_what_upstream_drops() -> None:
    assert meta(block(9, number(1, 1) + number(2, 999_999_999))) == {"deletionTimestamp": "1970-01-01T00:00:01Z"}
    assert meta(block(9, b"")) is None


def test_packed_numbers_are_read() -> None:
    context = block(4, varint(0) + varint(1 << 40) + varint(-1))
    assert pod(block(2, block(14, context)))["spec"]["securityContext"]["supplementalGroups"] == [0, 1 << 40, -1]


def test_a_message_that_comes_twice_is_merged() -> None:
    twice = block(1, block(1, b"a") + block(11, block(1, b"k") + block(2, b"v"))) + block(1, block(1, b"") + block(3, b"n"))
    assert pod(twice)["metadata"] == {"labels": {"k": "v"}, "namespace": "n"}


def test_an_entry_without_a_value_has_its_zero() -> None:
    assert meta(block(11, block(1, b"k")) + block(12, block(2, b"v"))) == {"labels": {"k": ""}, "annotations": {"": "v"}}
    quota = decode({"apiVersion": "v1", "kind": "ResourceQuota"}, block(2, block(1, block(1, b"pods"))))
    assert quota["spec"] == {"hard": {"pods": "0"}}


def test_unknown_fields_are_passed_over() -> None:
    unknown = number(1000, 5) + block(1001, b"x") + varint(1002 << 3 | 1) + bytes(8) + varint(1003 << 3 | 5) + bytes(4)
    assert meta(unknown + block(1, b"a")) == {"name": "a"}


def test_broken_text_is_replaced() -> None:
    assert meta(block(1, b"a\xff")) == {"name": "a�"}


def test_an_unused_kind_of_embedded_value_is_absent() -> None:
    assert decode({"apiVersion": "apps/v1", "kind": "ControllerRevision"}, block(2, b"") + number(3, 1))["revision"] == 1


TYPED = PREFIX + block(1, block(1, b"v1") + block(2, b"Pod"))
REFUSED = [
    (b"", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
    (b'{"kind":"Pod"}', "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
    (PREFIX, 'no kind "" is registered for version ""'),
    (envelope({"apiVersion": "example.com/v1", "kind": "Pod"}, b""), 'no kind "Pod" is registered for version "example.com/v1"'),
    (PREFIX + number(1, 0), "proto: wrong wireType = 0 for field typeMeta"),
    (TYPED + block(3, b"gzip"), "the message has a content encoding, which is not supported"),
    (TYPED + bytes(LIMIT_BYTES), f"the message is larger than {LIMIT_BYTES} bytes"),
    (TYPED + varint(2 << 3 | 2) + b"\x05ab", "unexpected EOF"),
    (TYPED + block(2, b"\x0a\x7f"), "unexpected EOF"),
    (TYPED + block(2, b"\x0a\xff\x7f"), "unexpected EOF"),
    (TYPED + block(2, b"\x0a"), "unexpected EOF"),
    (TYPED + block(2, b"\x80"), "unexpected EOF"),
    (TYPED + block(2, varint(99 << 3 | 1) + b"1234567"), "unexpected EOF"),
    (TYPED + block(2, varint(99 << 3 | 2) + b"\x02a"), "unexpected EOF"),
    (TYPED + block(2, b"\xff" * 11), "proto: integer overflow"),
    (TYPED + block(2, number(1, 1)), "proto: wrong wireType = 0 for field metadata"),
    (TYPED + block(2, block(1, block(7, b""))), "proto: wrong wireType = 2 for field generation"),
    (TYPED + block(2, varint(1 << 3 | 5) + bytes(4)), "proto: wrong wireType = 5 for field metadata"),
    (TYPED + block(2, block(1, block(11, number(1, 1)))), "proto: wrong wireType = 0 for field labels"),
    (TYPED + block(2, block(1, block(9, block(1, b"")))), "proto: wrong wireType = 2 for field time"),
    (TYPED + block(2, b"\x00\x00"), "proto: illegal tag 0 (wire type 0)"),
    (TYPED + block(2, b"\x02\x00"), "proto: illegal tag 0 (wire type 2)"),
    (TYPED + block(2, varint(9 << 3 | 3)), "proto: illegal wireType 3"),
    (TYPED + block(2, varint(9 << 3 | 7)), "proto: illegal wireType 7"),
    (TYPED + block(2, block(1, block(9, number(1, 1 << 60)))), "Time.MarshalJSON: year outside of range [0,9999]"),
    (
        envelope({"apiVersion": "apps/v1", "kind": "ControllerRevision"}, block(2, block(1, b"{"))),
        "an embedded value is no JSON: unexpected end of data",
    ),
    (
        envelope({"apiVersion": "v1", "kind": "Service"}, block(2, block(1, block(4, number(1, 2))))),
        "impossible IntOrString.Type",
    ),
]


@pytest.mark.parametrize(("data", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_a_broken_body_is_refused_in_one_sentence(data: bytes, message: str) -> None:
    with pytest.raises(ProtobufError) as caught:
        protobuf.decode(data)
    assert caught.value.message == message


def test_numbers_that_json_has_not_are_refused() -> None:
    with pytest.raises(ProtobufError, match="unsupported value: nan"):
        decode(crd_with({"maximum": float("nan")}))


def crd_with(schema: dict[str, Any]) -> dict[str, Any]:
    versions = [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": {"versions": versions}}


def test_nesting_has_a_limit() -> None:
    schema: dict[str, Any] = {}
    for _ in range(MAX_DEPTH - 10):
        schema = {"not": schema}
    assert decode(crd_with(schema)) == crd_with(schema)
    for _ in range(20):
        schema = {"not": schema}
    with pytest.raises(ProtobufError, match="nested deeper than"):
        decode(crd_with(schema))
