"""Endpoints, slices, ingresses and their classes."""

import pytest

from pilothouse.engine.apiserver.kinds.endpoints import ENDPOINTS, ENDPOINTSLICE
from pilothouse.engine.apiserver.kinds.ingresses import INGRESS, INGRESSCLASS
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import brief, changed, cluster_scoped, created, named, refusals, update_refusals, updated


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
    whole: Object = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": [{"port": 80}], **fields}
    return named(**whole)


def test_a_slice_is_completed() -> None:
    made = created(ENDPOINTSLICE, slice_of())
    assert made["ports"] == [{"port": 80, "name": "", "protocol": "TCP"}]
    assert made["endpoints"] == [{"addresses": ["10.1.2.3"], "conditions": {}}]


HINTED = {"addresses": ["1.2.3.4"], "hints": {"forZones": [{"name": "a"}], "forNodes": [{"name": "n"}]}, "deprecatedTopology": {"a": "b"}}


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
        ({"endpoints": [HINTED]}, []),
        (
            {"endpoints": [HINTED | {"hints": {"forZones": [{"name": "a"}, {"name": "a"}]}}]},
            ["endpoints[0].hints.forZones[1].name Duplicate"],
        ),
        ({"endpoints": [HINTED | {"hints": {"forZones": [{"name": "a b"}]}}]}, ["endpoints[0].hints.forZones[0].name Invalid"]),
        ({"endpoints": [HINTED | {"hints": {"forNodes": [{"name": f"n{i}"} for i in range(9)]}}]}, ["endpoints[0].hints.forNodes TooMany"]),
    ],
)
def test_slices(fields: Object, expected: list[str]) -> None:
    assert refusals(ENDPOINTSLICE, slice_of(**fields)) == expected


def test_a_slice_forgets_what_came_before_its_version() -> None:
    made = created(ENDPOINTSLICE, slice_of(endpoints=[HINTED]))
    assert "deprecatedTopology" not in made["endpoints"][0]
    assert "deprecatedTopology" not in updated(ENDPOINTSLICE, made, slice_of(endpoints=[HINTED]))["endpoints"][0]


def test_addresses_that_somebody_wrote_oddly_are_warned_of() -> None:
    odd = slice_of(addressType="IPv6", endpoints=[{"addresses": ["2001:0db8::1"]}])
    assert ENDPOINTSLICE.warnings(odd) == [
        'endpoints[0].addresses[0]: IPv6 address "2001:0db8::1" should be in RFC 5952 canonical format ("2001:db8::1")'
    ]
    odd["metadata"]["labels"] = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
    assert ENDPOINTSLICE.warnings(odd) == []
    old = slice_of(addressType="FQDN", endpoints=[{"addresses": ["a.b.example.com"]}])
    assert ENDPOINTSLICE.warnings(old) == ["spec.addressType: FQDN endpoints are deprecated"]


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
        ({"defaultBackend": BACKEND, "ingressClassName": ""}, ["spec.ingressClassName Invalid"]),
        (
            {"defaultBackend": {"resource": {"apiGroup": "", "kind": "", "name": "n"}}},
            ["spec.defaultBackend.resource.apiGroup Invalid", "spec.defaultBackend.resource.kind Required"],
        ),
    ],
)
def test_ingresses(spec: Object, expected: list[str]) -> None:
    assert refusals(INGRESS, named(spec=spec)) == expected


def in_the_old_way(name: str, **spec: object) -> Object:
    obj = named(spec=path() | spec)
    obj["metadata"]["annotations"] = {"kubernetes.io/ingress.class": name}
    return obj


def test_the_old_way_to_name_a_class_warns() -> None:
    assert len(INGRESS.warnings(in_the_old_way("x"))) == 1
    assert INGRESS.warnings(in_the_old_way("x", ingressClassName="x")) == []


def test_a_new_ingress_does_not_name_two_classes() -> None:
    both = in_the_old_way("x", ingressClassName="y")
    assert refusals(INGRESS, both) == ["annotations.kubernetes.io/ingress.class Invalid"]
    assert update_refusals(INGRESS, both, both) == []


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ({"ip": "1.2.3.4"}, []),
        ({"hostname": "a.example.com"}, []),
        ({"ip": "x"}, ["ip Invalid"]),
        ({"hostname": "A_"}, ["hostname Invalid"]),
        ({"hostname": "1.2.3.4"}, ["hostname Invalid"]),
    ],
)
def test_points_by_which_an_ingress_is_reached(point: Object, expected: list[str]) -> None:
    old = created(INGRESS, named(spec=path()))
    new = old | {"status": {"loadBalancer": {"ingress": [point]}}}
    assert brief(INGRESS.validate_status_update(new, old)) == [f"status.loadBalancer.ingress[0].{each}" for each in expected]


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
        (
            {"controller": "example.com/c", "parameters": {"kind": "K", "name": "n", "scope": "Namespace", "namespace": ""}},
            ["spec.parameters.namespace Invalid"],
        ),
    ],
)
def test_ingress_classes(spec: Object, expected: list[str]) -> None:
    assert refusals(INGRESSCLASS, cluster_scoped(spec=spec)) == expected


def test_unusual_addresses_of_endpoints_are_warned_of() -> None:
    odd = named(subsets=[{"addresses": [{"ip": "10.0.0.1"}], "notReadyAddresses": [{"ip": "::0:1"}]}])
    why = 'IPv6 address "::0:1" should be in RFC 5952 canonical format ("::1")'
    assert ENDPOINTS.warnings(odd) == [f"subsets[0].notReadyAddresses[0].ip: {why}"]
    assert ENDPOINTS.warnings(changed(odd, "metadata.labels", {"endpoints.kubernetes.io/managed-by": "endpoint-controller"})) == []
