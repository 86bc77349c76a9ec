"""What of a Service or an EndpointSlice is not carried out is said, once, with its field."""

from typing import Any

from pilothouse.engine.apiserver.admission.context import Operation, Write
from pilothouse.engine.apiserver.admission.support import Support
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.people import ADMIN

SERVICE: Object = {"type": "ClusterIP", "clusterIP": "10.96.0.9", "ports": [{"port": 80, "protocol": "TCP"}]}


def service(**more: Any) -> Object:
    return {"metadata": {"name": "s", "namespace": "default"}, "spec": SERVICE | more}


def endpoints(**more: Any) -> Object:
    return {"metadata": {"name": "s-1", "namespace": "default"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], **more}


async def warned(api: Api, new: Object, old: Object | None = None, *, of: tuple[str, str] = ("", "services")) -> list[str]:
    served = api.server.backend.table.find(of[0], "v1", of[1])
    assert served is not None
    said: list[str] = []
    operation: Operation = "CREATE" if old is None else "UPDATE"
    await Support().validate(Write(operation, served, "default", "s", ADMIN, new, old, warn=said.append))
    return [each.partition(":")[0] for each in said]


async def test_ordinary_services_are_taken_without_a_word(api: Api) -> None:
    assert await warned(api, service()) == []
    assert await warned(api, service(ports=[{"port": 9, "protocol": "SCTP"}])) == []
    assert await warned(api, service(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=31000)) == []
    assert await warned(api, service(trafficDistribution="PreferClose")) == []
    assert await warned(api, service(type="LoadBalancer", loadBalancerIP="192.0.2.1")) == []
    assert await warned(api, service(sessionAffinity="ClientIP", externalTrafficPolicy="Local", type="NodePort")) == []


async def test_a_slice_is_warned_of_once(api: Api) -> None:
    of = ("discovery.k8s.io", "endpointslices")
    old = endpoints(addressType="FQDN", endpoints=[{"addresses": ["db.example.com"]}])
    assert await warned(api, old | {"metadata": {"name": "s", "labels": {"a": "b"}}}, old, of=of) == []


async def test_endpoints_that_the_proxy_does_not_lead_to_are_said(api: Api) -> None:
    of = ("discovery.k8s.io", "endpointslices")
    hinted = endpoints(endpoints=[{"addresses": ["10.0.0.1"], "hints": {"forZones": [{"name": "a"}]}}])
    assert await warned(api, endpoints(), of=of) == []
    assert await warned(api, hinted, of=of) == []
    assert await warned(api, endpoints(addressType="IPv6", endpoints=[{"addresses": ["fd00::1"]}]), of=of) == []
    assert await warned(api, endpoints(addressType="FQDN", endpoints=[{"addresses": ["db.example.com"]}]), of=of) == ["addressType"]
