"""Cluster addresses and node ports."""

import asyncio
from typing import Any

import pytest

from pilothouse.model.errors import Invalid
from tests.engine.apiserver.api import Api

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
