"""Services of type LoadBalancer in a real API server, with the rights of their controller alone."""

from typing import Any

import pytest

from pilothouse.engine.controllers.clusternetwork.install import install as install_network
from pilothouse.model import meta
from pilothouse.model.errors import Invalid, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, NODES, SERVICES
from pilothouse.model.load_balancers import (
    BGPADVERTISEMENTS,
    CLEANUP,
    CONFIGURATIONSTATES,
    IPADDRESSPOOLS,
    NAMESPACE,
    NODE_ADDRESSES,
    PORTS_IN_USE,
    SERVICEL2STATUSES,
)
from tests.engine.controllers.conftest import Cluster
from tests.engine.controllers.loadbalancer.objects import READY, ips, node, pool, service


async def add_node(cluster: Cluster, obj: Object) -> None:
    await cluster.create(NODES, obj)
    await cluster.client.patch(NODES, meta.name(obj), {"status": {"conditions": [READY]}}, subresource="status")


async def add_pool(cluster: Cluster, obj: Object) -> None:
    await cluster.client.create(IPADDRESSPOOLS, obj)


async def has(cluster: Cluster, name: str, *addresses: str) -> Object:
    return await cluster.until_one(SERVICES, name, lambda each: ips(each) == list(addresses))


async def said(cluster: Cluster, reason: str, *words: str) -> str:
    def found(items: list[Object]) -> str:
        return next((e["message"] for e in items if e["reason"] == reason and all(word in e["message"] for word in words)), "")

    return str(await cluster.until(EVENTS, found, f"{reason} {words}", None))


async def test_without_a_pool_a_service_has_the_addresses_of_the_nodes(cluster: Cluster) -> None:
    await add_node(cluster, node())
    await cluster.create(SERVICES, service())
    found = await has(cluster, "web", "192.0.2.7")
    entry = {"ip": "192.0.2.7", "ipMode": "VIP", "ports": [{"port": 80, "protocol": "TCP"}]}
    assert found["status"]["loadBalancer"]["ingress"] == [entry]
    assert CLEANUP in meta.finalizers(found)


async def test_a_node_that_comes_and_one_that_goes_change_the_addresses(cluster: Cluster) -> None:
    await add_node(cluster, node())
    await cluster.create(SERVICES, service())
    await has(cluster, "web", "192.0.2.7")
    await add_node(cluster, node("n2", "192.0.2.8"))
    await has(cluster, "web", "192.0.2.7", "192.0.2.8")
    await cluster.client.delete(NODES, "n1")
    await has(cluster, "web", "192.0.2.8")


async def test_a_port_that_the_node_uses_is_not_taken_from_it(cluster: Cluster) -> None:
    await add_node(cluster, node(used="tcp/22 tcp/80"))
    await cluster.create(SERVICES, service())
    message = await said(cluster, "AllocationFailed", "port tcp/80 of n1 is used by a program of the node")
    assert "IPAddressPool" in message
    await cluster.patch(NODES, "n1", {"metadata": {"annotations": {PORTS_IN_USE: "tcp/22"}}})
    await has(cluster, "web", "192.0.2.7")


async def test_two_services_share_a_node_by_ports_and_the_older_one_keeps_its_port(cluster: Cluster) -> None:
    await add_node(cluster, node())
    await cluster.create(SERVICES, service("one", 80))
    await has(cluster, "one", "192.0.2.7")
    await cluster.create(SERVICES, service("two", 81))
    await has(cluster, "two", "192.0.2.7")
    await cluster.create(SERVICES, service("three", 80))
    await said(cluster, "AllocationFailed", "tcp/80", "default/one's")
    await cluster.client.delete(SERVICES, "one", "default")
    await has(cluster, "three", "192.0.2.7")


async def test_a_changed_address_of_a_node_reaches_the_services(cluster: Cluster) -> None:
    await add_node(cluster, node())
    await cluster.create(SERVICES, service())
    await has(cluster, "web", "192.0.2.7")
    await cluster.patch(NODES, "n1", {"metadata": {"annotations": {NODE_ADDRESSES: "192.0.2.9"}}})
    await has(cluster, "web", "192.0.2.9")


async def test_a_pool_gives_its_addresses_and_says_how_full_it_is(cluster: Cluster) -> None:
    await add_pool(cluster, pool("lan", "192.0.2.16/30"))
    await cluster.create(SERVICES, service("one"))
    await cluster.create(SERVICES, service("two"))
    found = await has(cluster, "one", "192.0.2.16")
    assert meta.annotations(found)["metallb.io/ip-allocated-from-pool"] == "lan"
    await has(cluster, "two", "192.0.2.17")
    await cluster.create(SERVICES, service("last"))
    await has(cluster, "last", "192.0.2.18")

    async def count(**wanted: int) -> None:
        await cluster.until(IPADDRESSPOOLS, lambda items: wanted.items() <= (items[0].get("status") or {}).items(), f"{wanted}", NAMESPACE)

    await count(assignedIPv4=3, availableIPv4=1, assignedIPv6=0)
    await cluster.patch(IPADDRESSPOOLS, "lan", {"spec": {"addresses": ["192.0.2.16/29"]}}, NAMESPACE)
    await count(assignedIPv4=3, availableIPv4=5)


async def test_a_service_waits_for_an_address_and_gets_the_first_that_is_free(cluster: Cluster) -> None:
    await add_pool(cluster, pool("lan", "192.0.2.16/32"))
    await cluster.create(SERVICES, service("one"))
    await has(cluster, "one", "192.0.2.16")
    await cluster.create(SERVICES, service("two"))
    await said(cluster, "AllocationFailed", "no address of pool lan is free")
    await cluster.client.delete(SERVICES, "one", "default")
    await has(cluster, "two", "192.0.2.16")


async def test_a_service_that_was_refused_at_the_nodes_is_served_by_a_new_pool(cluster: Cluster) -> None:
    await add_node(cluster, node(used="tcp/80"))
    await cluster.create(SERVICES, service())
    await said(cluster, "AllocationFailed", "tcp/80")
    await add_pool(cluster, pool("lan", "192.0.2.16/30"))
    await has(cluster, "web", "192.0.2.16")


async def test_a_service_follows_when_its_address_is_taken_out_of_the_pool(cluster: Cluster) -> None:
    await add_pool(cluster, pool("lan", "192.0.2.16/30"))
    await cluster.create(SERVICES, service())
    await has(cluster, "web", "192.0.2.16")
    await cluster.patch(IPADDRESSPOOLS, "lan", {"spec": {"addresses": ["192.0.2.32/30"]}}, NAMESPACE)
    await has(cluster, "web", "192.0.2.32")
    await said(cluster, "AddressChanged", "192.0.2.16")


async def test_a_node_takes_no_address_of_a_pool_from_a_service(cluster: Cluster) -> None:
    await add_pool(cluster, pool("lan", "192.0.2.16/30"))
    await cluster.create(SERVICES, service("one"))
    await has(cluster, "one", "192.0.2.16")
    everything = ",".join(f"192.0.2.{number}" for number in range(16, 20))
    await add_node(cluster, node("taken-over", everything))
    assert "taken-over" not in await said(cluster, "AddressRefused", "192.0.2.17: it has said another of IPv4 before", "default/one has it")
    await cluster.create(SERVICES, service("two"))
    await has(cluster, "two", "192.0.2.17")
    await has(cluster, "one", "192.0.2.16")


async def test_an_address_of_a_pool_that_a_node_has_is_given_to_nobody(cluster: Cluster) -> None:
    await add_node(cluster, node("n1", "192.0.2.16"))
    await cluster.create(SERVICES, service("one"))
    await has(cluster, "one", "192.0.2.16")
    await add_pool(cluster, pool("lan", "192.0.2.16/31"))
    await said(cluster, "AddressReserved", "192.0.2.16 is a node's own address")
    await has(cluster, "one", "192.0.2.17")


async def test_a_node_gets_no_traffic_that_is_meant_for_another(cluster: Cluster) -> None:
    await add_node(cluster, node())
    await add_node(cluster, node("taken-over", "10.96.0.1"))
    await cluster.create(SERVICES, service())
    await said(cluster, "AddressRefused", "10.96.0.1: it is inside the cluster's own network")
    await has(cluster, "web", "192.0.2.7")


async def test_a_pool_of_no_use_is_named_and_the_others_work(cluster: Cluster) -> None:
    await add_pool(cluster, pool("pods", "10.244.3.0/24"))
    await said(cluster, "PoolNotUsed", "overlaps the cluster's own network 10.244.0.0/16")
    await add_pool(cluster, pool("lan", "192.0.2.16/30"))
    await cluster.create(SERVICES, service())
    await has(cluster, "web", "192.0.2.16")

    def is_told(items: list[Object]) -> bool:
        status: Any = next((each.get("status") for each in items), None) or {}
        return status.get("validConfig") is False and "pool pods" in status["lastError"]

    await cluster.until(CONFIGURATIONSTATES, is_told, "told", NAMESPACE)


async def test_a_pool_that_nobody_announces_is_named_once_it_is_used(cluster: Cluster) -> None:
    await add_pool(cluster, pool("lan", "192.0.2.16/30"))
    await cluster.create(SERVICES, service())
    await said(cluster, "PoolNotAnnounced", "make an L2Advertisement")


async def test_a_pool_for_routers_is_named_while_nodes_speak_no_bgp(cluster: Cluster) -> None:
    await install_network(cluster.client)
    await add_pool(cluster, pool("public", "203.0.113.0/30"))
    await cluster.create(BGPADVERTISEMENTS, {"metadata": {"name": "all", "namespace": NAMESPACE}}, NAMESPACE)
    await cluster.create(SERVICES, service())
    await said(cluster, "PoolNotAnnounced", "nodes whose back end is Routes speak no BGP")


async def test_services_move_to_a_pool_and_back_to_the_nodes(cluster: Cluster) -> None:
    await add_node(cluster, node())
    await cluster.create(SERVICES, service())
    await has(cluster, "web", "192.0.2.7")
    await add_pool(cluster, pool("lan", "192.0.2.16/30"))
    await has(cluster, "web", "192.0.2.16")
    await cluster.client.delete(IPADDRESSPOOLS, "lan", NAMESPACE)
    await has(cluster, "web", "192.0.2.7")
    await add_pool(cluster, pool("none"))
    await has(cluster, "web")


async def test_pools_of_other_namespaces_do_not_count(cluster: Cluster) -> None:
    await cluster.client.create(IPADDRESSPOOLS, pool("mine", "192.0.2.16/30") | {"metadata": {"name": "mine", "namespace": "default"}})
    await add_node(cluster, node())
    await cluster.create(SERVICES, service())
    await has(cluster, "web", "192.0.2.7")


@pytest.mark.parametrize("addresses", ["192.0.2.0", "192.0.2.0/33", "192.0.2.1-", "192.0.2.1-fd00::1", "x", "1.2.3.4-1.2.3.5-1.2.3.6"])
async def test_what_is_no_range_is_refused(cluster: Cluster, addresses: str) -> None:
    with pytest.raises(Invalid, match="is neither a network"):
        await add_pool(cluster, pool("lan", addresses))


async def test_another_class_is_left_alone(cluster: Cluster) -> None:
    await add_node(cluster, node())
    await cluster.create(SERVICES, service("theirs", loadBalancerClass="example.com/lb"))
    await cluster.create(SERVICES, service("ours", loadBalancerClass="network.pilothouse.dev/load-balancer"))
    await has(cluster, "ours", "192.0.2.7")
    theirs = await cluster.get(SERVICES, "theirs") or {}
    assert not ips(theirs)
    assert not meta.finalizers(theirs)


async def test_a_service_that_is_no_load_balancer_any_more_keeps_nothing_of_it(cluster: Cluster) -> None:
    await add_pool(cluster, pool("lan", "192.0.2.16/30"))
    await cluster.create(SERVICES, service())
    await has(cluster, "web", "192.0.2.16")
    await cluster.patch(SERVICES, "web", {"spec": {"type": "ClusterIP"}})
    found = await cluster.until_one(SERVICES, "web", lambda each: not meta.finalizers(each))
    assert not ips(found)
    assert "metallb.io/ip-allocated-from-pool" not in meta.annotations(found)
    await cluster.patch(SERVICES, "web", {"spec": {"type": "LoadBalancer"}})
    await has(cluster, "web", "192.0.2.16")


async def test_a_deleted_service_goes_and_leaves_no_announcement(cluster: Cluster) -> None:
    await add_node(cluster, node())
    await cluster.create(SERVICES, service())
    await has(cluster, "web", "192.0.2.7")
    obj = {"metadata": {"name": "l2-x", "namespace": NAMESPACE}, "spec": {}}
    made = await cluster.client.create(SERVICEL2STATUSES, obj)
    status = {"node": "n1", "serviceName": "web", "serviceNamespace": "default"}
    await cluster.client.update_status(SERVICEL2STATUSES, made | {"status": status})
    await cluster.client.delete(SERVICES, "web", "default")
    await cluster.until(SERVICES, lambda items: not [each for each in items if meta.name(each) == "web"], "gone")
    await cluster.until(SERVICEL2STATUSES, lambda items: not items, "gone", NAMESPACE)
    with pytest.raises(NotFound):
        await cluster.client.get(SERVICES, "web", "default")
