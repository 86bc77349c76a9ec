"""Cluster addresses and node ports."""

import asyncio
from typing import Any

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
