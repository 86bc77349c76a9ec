"""Bodies that kubectl 1.37 sent, beside what it says it sends (`--dry-run=client -o json`, where the command has that)."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from pilothouse.model import protobuf
from pilothouse.model.protobuf.table import definition_of
from pilothouse.model.schema import Catalog
from tests.model.protobuf.encode import envelope

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["command"][:40])
def test_a_recorded_body_is_what_its_json_would_have_been(catalog: Catalog, recorded: Any) -> None:
    sent = recorded["sent"]
    api_version, kind, found = protobuf.decode(b64decode(recorded["body"]))
    assert (api_version, kind) == (sent["apiVersion"], sent["kind"])
    schema = catalog.schema(str(definition_of(api_version, kind)))
    decoded = schema.decode(found)
    assert decoded.unknown == []
    assert decoded.value == schema.decode(sent).value


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["command"][:40])
def test_the_encoder_that_other_tests_rely_on_writes_the_same_bytes(recorded: Any) -> None:
    assert envelope(recorded["sent"]) == b64decode(recorded["body"])


def body_of(start: str) -> bytes:
    return b64decode(next(each["body"] for each in RECORDED if each["command"].startswith(start)))


def test_zeros_that_stand_for_absence_are_left_out() -> None:
    assert protobuf.decode(body_of("create namespace"))[2] == {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "zz"}}


def test_zeros_behind_pointers_are_kept() -> None:
    spec = protobuf.decode(body_of("debug rich"))[2]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 0
    assert spec["enableServiceLinks"] is False
    assert spec["volumes"][0] == {"name": "e", "emptyDir": {}}
    assert spec["containers"][0]["securityContext"] == {"runAsUser": 0, "readOnlyRootFilesystem": False, "capabilities": {"drop": ["ALL"]}}


def test_empty_values_of_maps_are_kept() -> None:
    assert protobuf.decode(body_of("create configmap"))[2]["data"] == {"a": "1", "b": ""}
    assert protobuf.decode(body_of("create secret"))[2]["data"] == {"k": "dg==", "empty": ""}


def test_a_body_cut_short_is_refused_unless_whole_fields_are_missing() -> None:
    body = body_of("debug rich")
    read = {length for length in range(len(protobuf.PREFIX), len(body)) if is_read(body[:length])}
    assert read == {len(body) - 4, len(body) - 2, body.index(b"\x12\x03Pod") + 5}


def is_read(data: bytes) -> bool:
    try:
        protobuf.decode(data)
    except protobuf.ProtobufError:
        return False
    return True
