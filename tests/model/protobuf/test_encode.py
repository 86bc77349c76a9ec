"""Answers in protobuf. That objects are written as upstream writes them is in test_recorded."""

import struct

import pytest

from pilothouse.model import protobuf
from pilothouse.model.json import Object
from pilothouse.model.protobuf import PREFIX, ProtobufError
from pilothouse.model.protobuf.encode import block, message, number

CONFIGMAP: Object = {"metadata": {"name": "a"}, "data": {"x": "1"}}


def test_a_list_is_its_metadata_and_its_items() -> None:
    found = protobuf.encoded({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [CONFIGMAP]})
    item = message("io.k8s.api.core.v1.ConfigMap", CONFIGMAP)
    metadata = block(1, b"") + block(2, b"7") + block(3, b"")
    stated = block(1, b"v1") + block(2, b"ConfigMapList")
    assert found == PREFIX + block(1, stated) + block(2, block(1, metadata) + block(2, item)) + block(3, b"") + block(4, b"")


def test_a_failure_is_a_status_as_upstream_writes_it() -> None:
    """Recorded from a kube-apiserver."""
    text = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf"
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": text,
        "reason": "NotAcceptable",
        "code": 406,
    }
    content = block(1, block(1, b"") + block(2, b"") + block(3, b"")) + block(2, b"Failure") + block(3, text.encode())
    stated = block(1, b"v1") + block(2, b"Status")
    content += block(4, b"NotAcceptable") + number(6, 406)
    assert protobuf.encoded(status) == PREFIX + block(1, stated) + block(2, content) + block(3, b"") + block(4, b"")


def test_an_event_of_a_watch_has_its_length_in_front() -> None:
    event = protobuf.watch_event("ADDED", {"kind": "ConfigMap", "apiVersion": "v1", **CONFIGMAP})
    assert struct.unpack(">I", event[:4]) == (len(event) - 4,)
    assert protobuf.decode(event[event.index(PREFIX) :])[2]["data"] == {"x": "1"}


@pytest.mark.parametrize("kind", ["Thing", "ThingList", "List", ""])
def test_a_kind_without_a_message_is_refused(kind: str) -> None:
    with pytest.raises(ProtobufError, match=f'no kind "{kind}" is registered'):
        protobuf.encoded({"kind": kind, "apiVersion": "example.com/v1"})
