"""Cluster addresses and node ports."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import Invalid
from tests.engine.apiserver.api import Api
from tests.people import ADMIN

SERVICES = "/api/v1/namespaces/default/services"


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


async def test_no_two_services_share_an_address(api: Api) -> None:
    made = await asyncio.gather(*(api.post(SERVICES, service(f"s{number}")) for number in range(20)))
    addresses = {each["spec"]["clusterIP"] for each in made}
    assert len(addresses) == 20
    assert all(address.startswith("10.96.") for address in addresses)


async def test_a_headless_service_has_no_address(api: Api) -> None:
    assert (await api.post(SERVICES, service("s", clusterIP="None")))["spec"]["clusterIPs"] == ["None"]


async def test_an_address_in_use_is_refused(api: Api) -> None:
    error = await api.refused("POST", SERVICES, service("s", clusterIP="10.96.0.1"))
    assert "provided IP is already allocated" in error.message


async def test_an_address_is_free_again_after_its_service(api: Api) -> None:
    await api.post(SERVICES, service("s", clusterIP="10.96.0.50"))
    await api.delete(f"{SERVICES}/s")
    assert (await api.post(SERVICES, service("t", clusterIP="10.96.0.50")))["spec"]["clusterIP"] == "10.96.0.50"


async def test_a_refused_create_keeps_no_port(api: Api) -> None:
    await api.post(SERVICES, service("s"))
    await api.refused("POST", SERVICES, service("s", type="NodePort", ports=[{"port": 80, "nodePort": 30080}]))
    made = await api.post(SERVICES, service("t", type="NodePort", ports=[{"port": 80, "nodePort": 30080}]))
    assert made["spec"]["ports"][0]["nodePort"] == 30080


async def test_a_node_port_outside_the_range_is_refused(api: Api) -> None:
    error = await api.refused("POST", SERVICES, service("s", type="NodePort", ports=[{"port": 80, "nodePort": 80}]))
    assert "The range of valid ports is 30000-32767" in error.message


async def test_an_update_keeps_what_was_allocated(api: Api) -> None:
    made = await api.post(SERVICES, service("s", type="NodePort"))
    again = await api.put(f"{SERVICES}/s", service("s", type="NodePort", selector={"a": "b"}))
    assert again["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert again["spec"]["ports"] == made["spec"]["ports"]


@pytest.mark.parametrize("dry_run", ["", "All"], ids=["again", "as a dry run"])
async def test_a_write_that_comes_to_nothing_gives_away_no_address_that_another_is_about_to_commit(api: Api, dry_run: str) -> None:
    options = {"dryRun": dry_run} if dry_run else {}
    wanted = {"clusterIP": "10.96.0.50"}
    twice = [api.post(SERVICES, service("a", **wanted)), api.post(SERVICES, service("a", **wanted), **options)]
    results = await asyncio.gather(*twice, api.post(SERVICES, service("b", **wanted)), return_exceptions=True)
    found = [each["metadata"]["name"] for each in (await api.get(SERVICES))["items"] if each["spec"]["clusterIP"] == "10.96.0.50"]
    assert found == ["a"]
    assert isinstance(results[2], Invalid)


async def test_a_health_check_port_is_given_once(api: Api) -> None:
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30100}
    await api.post(SERVICES, service("a", **local))
    assert "provided port is already allocated" in (await api.refused("POST", SERVICES, service("b", **local))).message
    assert (await api.put(f"{SERVICES}/a", service("a", **local)))["spec"]["healthCheckNodePort"] == 30100


async def test_a_port_that_is_stated_is_taken_though_none_is_to_be_given(api: Api) -> None:
    stated = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"port": 80, "nodePort": 30100}]}
    await api.post(SERVICES, service("a", **stated))
    assert "provided port is already allocated" in (await api.refused("POST", SERVICES, service("b", **stated))).message
    assert "nodePort" not in (await api.post(SERVICES, service("c", **stated | {"ports": [{"port": 80}]})))["spec"]["ports"][0]


DUAL = ("10.96.0.0/16", "fd00:10:96::/112")


@pytest.fixture
async def both(store: Store, state: Path) -> AsyncIterator[Api]:
    """A cluster whose Services may have addresses of both families."""
    async with ApiServer.open(store, Settings(state, service_cidrs=DUAL)) as server:
        yield Api(server, ADMIN)


def families_of(made: dict[str, Any]) -> tuple[str, list[str], list[int]]:
    """Policy, families, and the IP versions of the addresses."""
    spec = made["spec"]
    assert spec["clusterIP"] == spec["clusterIPs"][0]
    return spec["ipFamilyPolicy"], spec["ipFamilies"], [ip_address(each).version for each in spec["clusterIPs"]]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ("SingleStack", ["IPv4"], [4])),
        ({"ipFamilies": ["IPv6"]}, ("SingleStack", ["IPv6"], [6])),
        ({"clusterIP": "fd00:10:96::77"}, ("SingleStack", ["IPv6"], [6])),
        ({"ipFamilyPolicy": "PreferDualStack"}, ("PreferDualStack", ["IPv4", "IPv6"], [4, 6])),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}, ("RequireDualStack", ["IPv6", "IPv4"], [6, 4])),
        ({"ipFamilyPolicy": "PreferDualStack", "clusterIP": "fd00:10:96::78"}, ("PreferDualStack", ["IPv6", "IPv4"], [6, 4])),
        (
            {"ipFamilyPolicy": "RequireDualStack", "clusterIP": "10.96.0.77", "clusterIPs": ["10.96.0.77", "fd00:10:96::79"]},
            ("RequireDualStack", ["IPv4", "IPv6"], [4, 6]),
        ),
    ],
)
async def test_a_service_has_an_address_of_each_of_its_families(both: Api, spec: dict[str, Any], expected: object) -> None:
    made = await both.post(SERVICES, service("s", selector={"a": "b"}, **spec))
    assert families_of(made) == expected
    if "clusterIP" in spec:
        assert made["spec"]["clusterIP"] == spec["clusterIP"]


async def test_a_service_goes_to_two_families_and_back_by_its_policy(both: Api) -> None:
    made = await both.post(SERVICES, service("s", selector={"a": "b"}))
    wider = await both.patch(f"{SERVICES}/s", {"spec": {"ipFamilyPolicy": "RequireDualStack"}})
    assert families_of(wider) == ("RequireDualStack", ["IPv4", "IPv6"], [4, 6])
    assert wider["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    second = wider["spec"]["clusterIPs"][1]
    narrower = await both.patch(f"{SERVICES}/s", {"spec": {"ipFamilyPolicy": "SingleStack"}})
    assert families_of(narrower) == ("SingleStack", ["IPv4"], [4])
    assert (await both.post(SERVICES, service("t", clusterIP=second)))["spec"]["clusterIP"] == second


async def test_a_second_address_is_given_up_by_the_policy_alone(both: Api) -> None:
    made = await both.post(SERVICES, service("s", selector={"a": "b"}, ipFamilyPolicy="PreferDualStack"))
    for name, value, what in (("clusterIPs", made["spec"]["clusterIPs"][:1], "cluster IP"), ("ipFamilies", ["IPv4"], "IP family")):
        error = await both.refused("PATCH", f"{SERVICES}/s", {"spec": {name: value}}, "application/merge-patch+json")
        assert f"must be 'SingleStack' to release the secondary {what}" in error.message
    replaced = await both.put(f"{SERVICES}/s", service("s", selector={"c": "d"}))
    assert families_of(replaced) == ("PreferDualStack", ["IPv4", "IPv6"], [4, 6])
    assert replaced["spec"]["clusterIPs"] == made["spec"]["clusterIPs"]


async def test_an_external_name_gives_back_both_addresses(both: Api) -> None:
    made = await both.post(SERVICES, service("s", selector={"a": "b"}, ipFamilyPolicy="RequireDualStack"))
    gone = await both.patch(f"{SERVICES}/s", {"spec": {"type": "ExternalName", "externalName": "db.example.com"}})
    assert not gone["spec"].keys() & {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}
    again = service("t", clusterIP=made["spec"]["clusterIPs"][1])
    assert (await both.post(SERVICES, again))["spec"]["clusterIP"] == made["spec"]["clusterIPs"][1]


async def test_a_service_that_prefers_two_families_is_left_alone_when_the_cluster_gets_a_second_one(store: Store, state: Path) -> None:
    async with ApiServer.open(store, Settings(state)) as server:
        made = await Api(server, ADMIN).post(SERVICES, service("s", selector={"a": "b"}, ipFamilyPolicy="PreferDualStack"))
        assert families_of(made) == ("PreferDualStack", ["IPv4"], [4])
    async with ApiServer.open(store, Settings(state, service_cidrs=DUAL)) as server:
        changed = await Api(server, ADMIN).patch(f"{SERVICES}/s", {"spec": {"selector": {"c": "d"}}})
        assert families_of(changed) == ("PreferDualStack", ["IPv4"], [4])
        wider = await Api(server, ADMIN).patch(f"{SERVICES}/s", {"spec": {"ipFamilyPolicy": "RequireDualStack"}})
        assert families_of(wider) == ("RequireDualStack", ["IPv4", "IPv6"], [4, 6])


async def test_a_cluster_of_ipv6_gives_ipv6_addresses(store: Store, state: Path) -> None:
    async with ApiServer.open(store, Settings(state, host="fd00:10:244::1", service_cidrs=DUAL[1:])) as server:
        api = Api(server, ADMIN)
        assert families_of(await api.post(SERVICES, service("s"))) == ("SingleStack", ["IPv6"], [6])
        assert "not configured on this cluster" in (await api.refused("POST", SERVICES, service("t", ipFamilies=["IPv4"]))).message
        assert families_of(await api.get(f"{SERVICES}/kubernetes")) == ("SingleStack", ["IPv6"], [6])
        own = await api.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes")
        assert (own["addressType"], own["endpoints"][0]["addresses"]) == ("IPv6", ["fd00:10:244::1"])


async def test_a_network_whose_addresses_are_all_given_is_named(store: Store, state: Path) -> None:
    small = ("10.96.0.0/16", "fd00:10:96::/126")
    async with ApiServer.open(store, Settings(state, service_cidrs=small)) as server:
        api = Api(server, ADMIN)
        made = [await api.post(SERVICES, service(f"s{number}", ipFamilies=["IPv6"])) for number in range(3)]
        assert {each["spec"]["clusterIP"] for each in made} == {"fd00:10:96::1", "fd00:10:96::2", "fd00:10:96::3"}
        refused = await api.refused("POST", SERVICES, service("late", ipFamilyPolicy="RequireDualStack"))
        assert "range is full (fd00:10:96::/126)" in refused.message
        assert await api.post(SERVICES, service("v4"))


@pytest.mark.parametrize("cidr", ["fd00::/64", "fd00::/8"])
async def test_a_network_of_more_addresses_than_can_be_counted_is_used(store: Store, state: Path, cidr: str) -> None:
    async with ApiServer.open(store, Settings(state, host="fd11::1", service_cidrs=[cidr])) as server:
        made = await Api(server, ADMIN).post(SERVICES, service("s"))
        assert ip_address(made["spec"]["clusterIP"]) in ip_network(cidr)
