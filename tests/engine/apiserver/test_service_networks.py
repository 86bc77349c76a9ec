"""ServiceCIDRs and IPAddresses: networks that can be added and taken away, and whose each address is."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.test_services import SERVICES, service
from tests.engine.apiserver.test_upkeep import is_gone, until
from tests.people import ADMIN

CIDRS = "/apis/networking.k8s.io/v1/servicecidrs"
IPS = "/apis/networking.k8s.io/v1/ipaddresses"
FINALIZER = "networking.k8s.io/service-cidr-finalizer"


def cidr(name: str, *cidrs: str) -> Object:
    return {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}}


def address(name: str, /, **parent: str) -> Object:
    return {"metadata": {"name": name}, "spec": {"parentRef": {"resource": "gateways", "group": "example.com", "name": "g"} | parent}}


async def parent_of(api: Api, name: str) -> Any:
    return (await api.get(f"{IPS}/{name}"))["spec"]["parentRef"]


async def until_ready(api: Api, name: str, status: str = "True", reason: str = "") -> None:
    async def is_so() -> bool:
        conditions = (await api.get(f"{CIDRS}/{name}"))["status"].get("conditions") or [{}]
        return (conditions[0].get("status"), conditions[0].get("reason")) == (status, reason)

    await until(is_so)


async def test_the_clusters_own_network_is_a_service_cidr(api: Api) -> None:
    await until_ready(api, "kubernetes")
    found = await api.get(f"{CIDRS}/kubernetes")
    assert (found["spec"]["cidrs"], found["metadata"]["finalizers"]) == (["10.96.0.0/16"], [FINALIZER])
    await until(lambda: has_address(api, "10.96.0.1"))


async def has_address(api: Api, name: str) -> bool:
    return name in await api.names(IPS)


async def test_a_service_has_its_ip_address_as_long_as_it_lives(api: Api) -> None:
    made = (await api.post(SERVICES, service("s")))["spec"]["clusterIP"]
    await until(lambda: has_address(api, made))
    found = await api.get(f"{IPS}/{made}")
    assert found["spec"]["parentRef"] == {"resource": "services", "namespace": "default", "name": "s"}
    assert found["metadata"]["labels"]["ipaddress.kubernetes.io/managed-by"] == "ipallocator.k8s.io"
    await api.delete(f"{SERVICES}/s")
    await until(lambda: is_gone(api, f"{IPS}/{made}"))


async def test_an_ip_address_that_is_deleted_or_false_is_mended(api: Api) -> None:
    made = (await api.post(SERVICES, service("s")))["spec"]["clusterIP"]
    await until(lambda: has_address(api, made))
    uid = (await api.get(f"{IPS}/{made}"))["metadata"]["uid"]
    await api.delete(f"{IPS}/{made}")
    await until(lambda: has_address(api, made))
    assert (await api.get(f"{IPS}/{made}"))["metadata"]["uid"] != uid
    await api.patch(f"{IPS}/{made}", {"metadata": {"labels": None}})
    await until(lambda: is_labelled(api, made))


async def is_labelled(api: Api, name: str) -> bool:
    return await has_address(api, name) and bool((await api.get(f"{IPS}/{name}"))["metadata"].get("labels"))


async def test_a_left_over_ip_address_goes(api: Api) -> None:
    stray = address("10.96.7.7", resource="services", group="", namespace="default", name="gone")
    stray["metadata"]["labels"] = {"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}
    await api.post(IPS, stray)
    await until(lambda: is_gone(api, f"{IPS}/10.96.7.7"))


async def test_an_address_that_somebody_else_has_taken_is_no_services(api: Api) -> None:
    await api.post(IPS, address("10.96.0.77"))
    error = await api.refused("POST", SERVICES, service("s", clusterIP="10.96.0.77"))
    assert "provided IP is already allocated" in error.message
    await api.delete(f"{IPS}/10.96.0.77")
    assert await api.post(SERVICES, service("s", clusterIP="10.96.0.77"))
    assert (await api.refused("POST", IPS, address("10.96.0.77"))).code == 409


async def test_another_network_widens_what_services_may_have(api: Api) -> None:
    assert "not in the valid range" in (await api.refused("POST", SERVICES, service("s", clusterIP="10.97.0.5"))).message
    await api.post(CIDRS, cidr("more", "10.97.0.0/24"))
    await until_ready(api, "more")
    assert (await api.post(SERVICES, service("s", clusterIP="10.97.0.5")))["spec"]["clusterIP"] == "10.97.0.5"


async def test_a_network_in_use_waits_for_its_services_and_gives_no_more_addresses(api: Api) -> None:
    await api.post(CIDRS, cidr("more", "10.97.0.0/24"))
    await api.post(SERVICES, service("s", clusterIP="10.97.0.5"))
    await api.delete(f"{CIDRS}/more")
    await until_ready(api, "more", "False", "Terminating")
    assert (await api.refused("POST", SERVICES, service("t", clusterIP="10.97.0.6"))).code == 422
    assert (await api.patch(f"{SERVICES}/s", {"spec": {"selector": {"a": "b"}}}))["spec"]["clusterIP"] == "10.97.0.5"
    await api.delete(f"{SERVICES}/s")
    await until(lambda: is_gone(api, f"{CIDRS}/more"))


async def test_a_network_inside_another_goes_at_once(api: Api) -> None:
    await api.post(CIDRS, cidr("inside", "10.96.7.0/24"))
    await api.post(SERVICES, service("s", clusterIP="10.96.7.9"))
    await api.delete(f"{CIDRS}/inside")
    await until(lambda: is_gone(api, f"{CIDRS}/inside"))


async def test_the_clusters_own_network_cannot_be_taken_away(api: Api) -> None:
    await until(lambda: has_address(api, "10.96.0.1"))  # Before, nobody needs it: it goes, and is made again.
    await api.delete(f"{CIDRS}/kubernetes")
    await until_ready(api, "kubernetes", "False", "Terminating")


@pytest.mark.parametrize(
    ("cidrs", "said"),
    [
        ((), "spec.cidrs: Required value: at least one CIDR required"),
        (("x",), 'spec.cidrs[0]: Invalid value: "x": must be a valid CIDR value'),
        (("10.0.0.0/24",) * 3, "may only hold up to 2 values"),
        (("10.0.0.0/24", "10.1.0.0/24"), "may specify no more than one IP for each IP family"),
        (("10.0.0.1/24",), 'must be in canonical form ("10.0.0.0/24")'),
        (("10.0.0.0/24", "fd00::/64"), "this cluster gives Services IPv4 addresses only"),
    ],
)
async def test_a_network_that_services_could_not_use_is_refused(api: Api, cidrs: tuple[str, ...], said: str) -> None:
    error = await api.refused("POST", CIDRS, cidr("c", *cidrs))
    assert (error.code, said in error.message) == (422, True), error.message


async def test_networks_and_parents_do_not_change(api: Api) -> None:
    error = await api.refused("PATCH", f"{CIDRS}/kubernetes", {"spec": {"cidrs": ["10.1.0.0/16"]}}, "application/merge-patch+json")
    assert 'spec.cidrs[0]: Invalid value: "10.1.0.0/16": field is immutable' in error.message
    await api.post(IPS, address("10.1.2.3"))
    error = await api.refused("PATCH", f"{IPS}/10.1.2.3", {"spec": {"parentRef": {"name": "h"}}}, "application/merge-patch+json")
    assert "spec.parentRef: Invalid value: " in error.message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("10.96.0.01", "must not have leading 0s"),
        ("::ffff:10.0.0.1", "must not be an IPv4-mapped IPv6 address"),
        ("FD00::1", 'must be in canonical form ("fd00::1")'),
        ("host", "must be a valid IP address"),
    ],
)
async def test_an_address_has_one_name(api: Api, name: str, said: str) -> None:
    error = await api.refused("POST", IPS, address(name))
    assert f'metadata.name: Invalid value: "{name}": {said}' in error.message


async def test_no_address_is_given_twice_nor_lost_whatever_becomes_of_the_writes(tmp_path: Path, state: Path) -> None:
    """Half of the clients go away in the middle, and the server goes down before its reconcilers have followed."""
    settings = Settings(state, service_cidrs=["10.96.0.0/26"])
    async with Store.open(tmp_path / "store.db") as store, ApiServer.open(store, settings) as server:
        api = Api(server, ADMIN)
        calls = [asyncio.ensure_future(api.post(SERVICES, service(f"s{number}"))) for number in range(40)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    async with Store.open(tmp_path / "store.db") as store, ApiServer.open(store, settings) as server:
        api = Api(server, ADMIN)
        left = 62 - len(await api.names(SERVICES))
        await asyncio.gather(*(api.post(SERVICES, service(f"t{number}")) for number in range(left)))
        assert "range is full" in (await api.refused("POST", SERVICES, service("late"))).message
        used = [each["spec"]["clusterIP"] for each in (await api.get(SERVICES))["items"]]
        assert len(set(used)) == len(used) == 62
        await until(lambda: are(api, used))


async def are(api: Api, addresses: list[str]) -> bool:
    return sorted(await api.names(IPS)) == sorted(addresses)


async def test_services_keep_their_addresses_when_the_clusters_network_is_another(tmp_path: Path, state: Path) -> None:
    async with Store.open(tmp_path / "store.db") as store, ApiServer.open(store, Settings(state)) as server:
        made = (await Api(server, ADMIN).post(SERVICES, service("s")))["spec"]["clusterIP"]
    async with Store.open(tmp_path / "store.db") as store, ApiServer.open(store, Settings(state, service_cidrs=["10.99.0.0/16"])) as server:
        api = Api(server, ADMIN)
        assert (await api.get(f"{CIDRS}/kubernetes"))["spec"]["cidrs"] == ["10.99.0.0/16"]
        assert (await api.patch(f"{SERVICES}/s", {"spec": {"selector": {"a": "b"}}}))["spec"]["clusterIP"] == made
        assert (await api.post(SERVICES, service("t")))["spec"]["clusterIP"].startswith("10.99.")
        await until(lambda: has_address(api, made))
        assert await parent_of(api, made) == {"resource": "services", "namespace": "default", "name": "s"}


@pytest.mark.parametrize("overlapping", ["10.244.8.0/24", "10.244.0.0/16", "10.240.0.0/12"])
async def test_a_network_that_overlaps_the_pods_is_not_ready_and_gives_no_address(store: Store, state: Path, overlapping: str) -> None:
    async with ApiServer.open(store, Settings(state, pod_cidrs=["10.244.0.0/16"])) as server:
        api = Api(server, ADMIN)
        await api.post(CIDRS, cidr("extra", overlapping))
        await until_ready(api, "extra", "False", "OverlapsPodNetwork")
        message = (await api.get(f"{CIDRS}/extra"))["status"]["conditions"][0]["message"]
        assert message.startswith(f"{overlapping} overlaps the network of the pods, 10.244.0.0/16")
        inside = {"metadata": {"name": "s"}, "spec": {"clusterIP": "10.244.8.9", "ports": [{"port": 80}]}}
        assert "The range of valid IPs is 10.96.0.0/16" in (await api.refused("POST", SERVICES, inside)).message
        await api.delete(f"{CIDRS}/extra")
        await until(lambda: is_gone(api, f"{CIDRS}/extra"))


async def test_a_network_beside_the_pods_is_ready(store: Store, state: Path) -> None:
    async with ApiServer.open(store, Settings(state, pod_cidrs=["10.244.0.0/16"])) as server:
        api = Api(server, ADMIN)
        await api.post(CIDRS, cidr("extra", "10.245.0.0/24"))
        await until_ready(api, "extra")


async def test_a_network_of_the_second_family_may_be_added_and_its_addresses_have_their_ip_addresses(store: Store, state: Path) -> None:
    async with ApiServer.open(store, Settings(state, service_cidrs=["10.96.0.0/16", "fd00:10:96::/112"])) as server:
        api = Api(server, ADMIN)
        assert (await api.get(f"{CIDRS}/kubernetes"))["spec"]["cidrs"] == ["10.96.0.0/16", "fd00:10:96::/112"]
        await api.post(CIDRS, cidr("more", "10.97.0.0/24", "fd00:10:97::/120"))
        await until_ready(api, "more")
        made = await api.post(
            SERVICES, service("s", ipFamilyPolicy="RequireDualStack", clusterIPs=["10.97.0.5", "fd00:10:97::5"], clusterIP="10.97.0.5")
        )
        assert made["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
        await until(lambda: has_address(api, "fd00:10:97::5"))
        found = await api.get(f"{IPS}/fd00:10:97::5")
        assert found["metadata"]["labels"]["ipaddress.kubernetes.io/ip-family"] == "IPv6"
        await api.delete(f"{CIDRS}/more")
        await until_ready(api, "more", "False", "Terminating")
        await api.delete(f"{SERVICES}/s")
        await until(lambda: is_gone(api, f"{CIDRS}/more"))


async def test_an_ipv4_address_and_an_ipv6_address_with_the_same_bits_are_two(store: Store, state: Path) -> None:
    async with ApiServer.open(store, Settings(state, service_cidrs=["10.96.0.0/16", "::/96"])) as server:
        api = Api(server, ADMIN)
        await api.post(SERVICES, service("four", clusterIP="10.96.0.50"))
        assert (await api.post(SERVICES, service("six", clusterIP="::a60:32")))["spec"]["clusterIP"] == "::a60:32"
