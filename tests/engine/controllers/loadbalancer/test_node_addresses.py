"""How far Nodes are believed."""

import time
from ipaddress import ip_address, ip_network

import pytest

from pilothouse.engine.controllers.loadbalancer.node_addresses import MOST_READ, Believed, NodeAddresses
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import EXCLUDED, NODE_ADDRESSES
from tests.engine.controllers.loadbalancer.objects import node

NETWORKS = (ip_network("10.244.0.0/16"), ip_network("10.96.0.0/16"))


def made(obj: Object, year: int, stated: tuple[str, ...] = ()) -> Object:
    obj["metadata"]["creationTimestamp"] = f"{year}-01-01T00:00:00Z"
    obj["status"]["addresses"] = [{"type": "InternalIP", "address": each} for each in stated]
    return obj


def believed(*nodes: Object) -> Believed:
    found = NodeAddresses(NETWORKS)
    for each in nodes:
        found.put(each)
    return found.believed()


def offered(found: Believed, name: str = "n1") -> list[str]:
    return [str(each) for each in found.offered[name]]


def test_a_node_has_one_address_of_each_family_for_services() -> None:
    found = believed(node("n1", "192.0.2.7,fd00:2::7,192.0.2.8,fd00:2::8"))
    assert offered(found) == ["192.0.2.7", "fd00:2::7"]
    assert found.refused["n1"].keys() == {ip_address("192.0.2.8"), ip_address("fd00:2::8")}
    assert found.numbers == {4: {int(ip_address("192.0.2.7"))}, 6: {int(ip_address("fd00:2::7"))}}


def test_a_node_that_says_a_whole_range_keeps_at_most_three_addresses_of_it_from_others() -> None:
    every = [f"192.0.2.{number}" for number in range(1, 250)]
    found = believed(made(node("n1", ",".join(every)), 2026, tuple(reversed(every))))
    assert len(found.owners) == 3
    assert len(found.refused["n1"]) <= 2 * MOST_READ


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("10.244.3.4", "inside the cluster's own network 10.244.0.0/16"),
        ("10.96.0.1", "inside the cluster's own network 10.96.0.0/16"),
        ("127.0.0.1", "nobody is reached"),
        ("169.254.1.1", "nobody is reached"),
        ("0.0.0.0", "nobody is reached"),
        ("224.0.0.1", "nobody is reached"),
        ("255.255.255.255", "nobody is reached"),
        ("fe80::1", "nobody is reached"),
    ],
)
def test_what_can_be_no_nodes_address_does_not_count(address: str, why: str) -> None:
    found = believed(node("n1", address))
    assert offered(found) == []
    assert not found.owners
    assert why in found.refused["n1"][ip_address(address)]


def test_a_node_that_is_known_by_an_address_of_the_pod_network_is_not_suspected() -> None:
    found = believed(made(node(), 2026, ("10.244.0.1", "127.0.0.1")))
    assert found.owners == {ip_address("192.0.2.7"): "n1"}
    assert not found.refused


@pytest.mark.parametrize(("of_old", "stated"), [("192.0.2.7", ()), ("", ("192.0.2.7",))])
def test_what_an_older_node_has_is_not_anothers(of_old: str, stated: tuple[str, ...]) -> None:
    old, new = made(node("old", of_old), 2025, stated), made(node("new", "192.0.2.7"), 2026, ("192.0.2.7",))
    for nodes in ((old, new), (new, old)):
        found = believed(*nodes)
        assert found.owners == {ip_address("192.0.2.7"): "old"}
        assert found.refused == {"new": {ip_address("192.0.2.7"): "node old, which is older, has it"}}
        assert offered(found, "new") == []


def test_a_node_that_goes_leaves_its_address_to_the_next() -> None:
    found = NodeAddresses(NETWORKS)
    found.put(made(node("old"), 2025))
    found.put(made(node("new"), 2026))
    assert found.remove("old")
    assert not found.remove("old")
    assert found.believed().owners == {ip_address("192.0.2.7"): "new"}


def test_ports_count_only_where_they_matter() -> None:
    found = NodeAddresses(NETWORKS)
    assert found.put(node())
    assert not found.put(node())
    assert not found.put(node(used="tcp/22"), with_ports=False)
    assert found.believed().usable[0].ports == {"tcp/22"}
    assert found.put(node(used="tcp/23"))
    assert found.put(node(addresses="192.0.2.8"), with_ports=False)


def test_excluded_nodes_are_left_out_unless_all_are() -> None:
    out = node("n2", "192.0.2.8", labels={EXCLUDED: ""})
    assert [each.name for each in believed(node(), out).usable] == ["n1"]
    assert [each.name for each in believed(out).usable] == ["n2"]


def test_a_change_of_one_of_a_thousand_nodes_is_quick() -> None:
    found = NodeAddresses(NETWORKS)
    nodes = [made(node(f"n{number}", f"192.0.{number // 250}.{number % 250}"), 2026) for number in range(1000)]
    for each in nodes:
        found.put(each)
    found.believed()
    changed = {**nodes[7], "metadata": {**nodes[7]["metadata"], "annotations": {NODE_ADDRESSES: "192.0.9.9"}}}
    began = time.thread_time()
    found.put(changed)
    assert found.believed().owners[ip_address("192.0.9.9")] == meta.name(changed)
    assert time.thread_time() - began < 0.03
