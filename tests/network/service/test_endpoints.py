"""Which endpoints take traffic."""

import pytest

from pilothouse.model.json import Object
from pilothouse.network.service.endpoints import Choice, Endpoints, Site
from pilothouse.network.service.family import IPV4, IPV6, Family
from tests.network.cluster import endpoint, endpoint_slice

HTTP: Object = {"name": "http", "protocol": "TCP", "port": 8080}
LEAVING = {"ready": False, "serving": True, "terminating": True}


def chosen(*slices: Object, family: Family = IPV4) -> Choice:
    return Endpoints(slices, family).of({"name": "http", "port": 80}, Site("here"))


def led_to(*endpoints: Object) -> list[str]:
    return [each.address for each in chosen(endpoint_slice("web", [HTTP], *endpoints)).cluster]


def test_endpoints_that_are_not_ready_get_no_traffic() -> None:
    assert led_to(endpoint("10.244.0.5", ready=False), endpoint("10.244.0.6", ready=None)) == ["10.244.0.6"]


def test_terminating_endpoints_serve_only_when_no_other_is_ready() -> None:
    going, dead = endpoint("10.244.0.5", **LEAVING), endpoint("10.244.0.7", ready=False, serving=False, terminating=True)
    assert led_to(going, dead) == ["10.244.0.5"]
    assert led_to(going, endpoint("10.244.0.6")) == ["10.244.0.6"]


def test_an_endpoint_in_two_slices_counts_once() -> None:
    found = chosen(*(endpoint_slice("web", [HTTP], endpoint("10.244.0.5"), suffix=suffix) for suffix in "ab"))
    assert len(found.cluster) == 1


@pytest.mark.parametrize(("family", "address"), [(IPV4, "10.244.0.5"), (IPV6, "fd00::1")])
def test_slices_of_other_ports_and_families_are_not_meant(family: Family, address: str) -> None:
    other = endpoint_slice("web", [HTTP | {"name": "metrics"}], endpoint("10.244.0.9"))
    four = endpoint_slice("web", [HTTP], endpoint("10.244.0.5"))
    six = endpoint_slice("web", [HTTP], endpoint("FD00::0001")) | {"addressType": "IPv6"}
    names = endpoint_slice("web", [HTTP], endpoint("example.com")) | {"addressType": "FQDN"}
    assert [each.address for each in chosen(other, four, six, names, family=family).cluster] == [address]


def test_slices_that_are_labelled_as_headless_get_no_traffic() -> None:
    headless = endpoint_slice("web", [HTTP], endpoint("10.244.0.5"), suffix="headless")
    headless["metadata"]["labels"]["service.kubernetes.io/headless"] = ""
    assert [each.address for each in chosen(headless, endpoint_slice("web", [HTTP], endpoint("10.244.0.6"))).cluster] == ["10.244.0.6"]


def test_what_is_no_address_of_the_slices_family_is_passed_over() -> None:
    assert led_to(endpoint("fd00::1"), endpoint("10.244.0.5; flush ruleset"), endpoint("10.244.0.5")) == ["10.244.0.5"]
