"""Endpoints, slices, ingresses and their classes."""

import pytest

from pilothouse.engine.apiserver.kinds.endpoints import ENDPOINTS, ENDPOINTSLICE
from pilothouse.engine.apiserver.kinds.ingresses import INGRESS, INGRESSCLASS
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import cluster_scoped, created, named, refusals, update_refusals


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        ({"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 1}]}, []),
        ({"ports": [{"port": 1}]}, ["subsets[0] Required"]),
        ({"addresses": [{"ip": "x"}]}, ["subsets[0].addresses[0].ip Invalid"] * 2),
        ({"addresses": [{"ip": "127.0.0.1"}]}, ["subsets[0].addresses[0].ip Invalid"]),
        ({"addresses": [{"ip": "169.254.1.1"}]}, ["subsets[0].addresses[0].ip Invalid"]),
        ({"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 1}, {"port": 2}]}, [f"subsets[0].ports[{i}].name Required" for i in (0, 1)]),
    ],
)
def test_endpoints(subset: Object, expected: list[str]) -> None:
    assert refusals(ENDPOINTS, named(subsets=[subset])) == expected


def slice_of(**fields: object) -> Object:
    return named(**{"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": [{"port": 80}], **fields})


def test_a_slice_is_completed() -> None:
    made = created(ENDPOINTSLICE, slice_of())
    assert made["ports"] == [{"port": 80, "name": "", "protocol": "TCP"}]
    assert made["endpoints"] == [{"addresses": ["10.1.2.3"], "conditions": {}}]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"addressType": ""}, ["addressType Required"]),
        ({"addressType": "X"}, ["addressType NotSupported"]),
        ({"endpoints": [{"addresses": ["fe80::1"]}]}, ["endpoints[0].addresses Invalid", "endpoints[0].addresses[0] Invalid"]),
        ({"endpoints": [{"addresses": []}]}, ["endpoints[0].addresses Required"]),
        ({"endpoints": [{"addresses": ["1.2.3.4"]}] * 1001}, ["endpoints TooMany"]),
        ({"ports": [{"port": 1}, {"port": 2}]}, ["ports[1].name Duplicate"]),
        ({"endpoints": None}, []),
    ],
)
def test_slices(fields: Object, expected: list[str]) -> None:
    assert refusals(ENDPOINTSLICE, slice_of(**fields)) == expected


def test_a_slice_keeps_its_type_of_address() -> None:
    new = slice_of(addressType="FQDN", endpoints=[{"addresses": ["a.b.example.com"]}])
    assert update_refusals(ENDPOINTSLICE, slice_of(), new) == ["addressType Invalid"]


BACKEND = {"service": {"name": "s", "port": {"number": 80}}}


def path(**fields: object) -> Object:
    return {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND, **fields}]}}]}


P = "spec.rules[0].http.paths[0]"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (path(), []),
        ({}, ["spec Invalid"]),
        (path(pathType=None), [f"{P}.pathType Required"]),
        (path(pathType="X"), [f"{P}.pathType NotSupported"]),
        (path(path="/a/../b"), [f"{P}.path Invalid"]),
        (path(path="rel"), [f"{P}.path Invalid"]),
        (path(path="", pathType="ImplementationSpecific"), []),
        (path(backend={}), [f"{P}.backend Invalid"]),
        ({"rules": [{"host": "1.2.3.4"}]}, ["spec.rules[0].host Invalid"]),
        ({"rules": [{"host": "*.example.com"}]}, []),
        ({"rules": [{"http": {"paths": []}}]}, ["spec.rules[0].http.paths Required"]),
        ({"defaultBackend": {"service": {"name": "s", "port": {}}}}, ["spec.defaultBackend Required"]),
        ({"defaultBackend": {"service": {"name": "s", "port": {"name": "x", "number": 1}}}}, ["spec.defaultBackend Invalid"]),
        ({"defaultBackend": BACKEND, "tls": [{"hosts": ["A_b"]}]}, ["spec.tls[0].hosts[0] Invalid"]),
    ],
)
def test_ingresses(spec: Object, expected: list[str]) -> None:
    assert refusals(INGRESS, named(spec=spec)) == expected


def test_the_old_way_to_name_a_class_warns() -> None:
    obj = named(spec=path())
    obj["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "x"}
    assert len(INGRESS.warnings(obj)) == 1


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"controller": "example.com/c"}, []),
        ({"controller": "nodomain"}, ["spec.controller Invalid"]),
        ({}, ["spec.controller Required"]),
        (
            {"controller": "example.com/c", "parameters": {"kind": "K", "name": "n", "scope": "Namespace"}},
            ["spec.parameters.namespace Required"],
        ),
        ({"controller": "example.com/c", "parameters": {"kind": "K", "name": "n"}}, []),
    ],
)
def test_ingress_classes(spec: Object, expected: list[str]) -> None:
    assert refusals(INGRESSCLASS, cluster_scoped(spec=spec)) == expected
