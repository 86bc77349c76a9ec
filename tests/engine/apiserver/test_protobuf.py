"""Bodies in protobuf, as kubectl sends them."""

from pathlib import Path

import pytest

from pilothouse.engine.apiserver.protobuf import BadMessage, to_json
from pilothouse.engine.apiserver.protobuf.fields import is_scalar, messages
from pilothouse.model.schema import Catalog


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog.load(tmp_path_factory.mktemp("schemas"))


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def body(version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, version.encode()) + field(2, kind.encode())) + field(2, raw)


def test_a_message_is_what_its_json_would_be(schemas: Catalog) -> None:
    raw = field(1, field(1, b"a") + field(3, b"")) + field(2, field(1, b"k") + field(2, b"v"))
    found = to_json(body("v1", "ConfigMap", raw), schemas)
    assert found == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": ""}, "data": {"k": "v"}}


@pytest.mark.parametrize("data", [b"", b"{}", b"k8s\x00", b"k8s\x00\xff", body("v1", "Frob", b""), body("v1", "ConfigMap", b"\x0a\x7f")])
def test_what_is_no_message_is_refused(schemas: Catalog, data: bytes) -> None:
    with pytest.raises(BadMessage):
        to_json(data, schemas)


def test_an_unknown_field_is_never_lost_silently(schemas: Catalog) -> None:
    with pytest.raises(BadMessage, match="send JSON instead"):
        to_json(body("v1", "ConfigMap", field(15, b"x")), schemas)


def test_every_type_that_a_field_has_is_known() -> None:
    special = {"Time", "MicroTime", "Quantity", "IntOrString", "RawExtension", "FieldsV1", "ExtraValue"}
    known = messages()
    for name, found in known.items():
        for each in found.values():
            assert is_scalar(each.type) or each.type in known or each.type.rpartition(".")[2] in special, f"{name}.{each.name}"


def test_field_names_are_those_of_the_schema(schemas: Catalog, tmp_path: Path) -> None:
    for name in ("io.k8s.api.core.v1.PodSpec", "io.k8s.api.apps.v1.DeploymentSpec", "io.k8s.api.core.v1.Container"):
        properties = schemas.schema(name).node.properties
        assert {each.name for each in messages()[name].values() if not each.inline} <= set(properties)
