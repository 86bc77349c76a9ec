import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pilothouse.model.cluster_network import FOLLOWS, VTEP, Following, following
from pilothouse.model.json import Object
from pilothouse.network.backends.config import BackendConfig
from pilothouse.network.backends.peers import peers
from pilothouse.network.backends.routes.plan import plan
from pilothouse.network.backends.seam import View
from pilothouse.network.backends.table import Route
from pilothouse.network.backends.vxlan.plan import announced

CONFIG = BackendConfig(instance="t", node="own", cluster_cidrs=("10.1.0.0/16",), state=Path("/nowhere"))


def routes(nodes: Iterable[Object], config: BackendConfig = CONFIG) -> tuple[dict[str, list[Route]], dict[str, str]]:
    found = peers(nodes, config)
    wanted, problems = plan(View(found.own, found.others, {}))
    return wanted, {**problems, **found.problems}


def node(name: str, cidr: str = "", address: str = "", created: str = "2026-01-01T00:00:00Z") -> Object:
    addresses: list[Any] = [{"type": "Hostname", "address": name}]
    addresses += [{"type": "InternalIP", "address": address}] if address else []
    metadata = {"name": name, "creationTimestamp": created}
    return {"metadata": metadata, "spec": {"podCIDR": cidr} if cidr else {}, "status": {"addresses": addresses}}


OWN = node("own", "10.1.0.0/22", "192.0.2.1", "2026-02-01T00:00:00Z")


def test_each_other_node_that_has_pods_gets_a_route_by_its_address() -> None:
    found, problems = routes([OWN, node("a", "10.1.4.0/22", "192.0.2.2"), node("new", address="192.0.2.3")])
    assert found == {"a": [Route("10.1.4.0/22", "192.0.2.2")]}
    assert not problems


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (node("bad", "0.0.0.0/0", "192.0.2.2"), "is not inside the pod network 10.1.0.0/16"),
        (node("bad", "192.0.2.0/24", "192.0.2.2"), "is not inside the pod network"),
        (node("bad", "10.1.2.0/24", "192.0.2.2"), "overlaps 10.1.0.0/22 of an older node"),
        (node("bad", "fd00::/64", "192.0.2.2"), "is not inside the pod network"),
        (node("bad", "nonsense", "192.0.2.2"), "is no network"),
        (node("bad", "10.1.4.0/22"), "has no address of type InternalIP"),
        (node("bad", "10.1.4.0/22", "fd00::1"), "has no IPv4 address of type InternalIP"),
        (node("bad", "10.1.4.0/22", "10.1.4.1"), "is one of the pod network"),
    ],
)
def test_a_node_that_says_what_cannot_be_gets_no_route_and_leaves_the_others_theirs(other: Object, why: str) -> None:
    found, problems = routes([other, OWN, node("good", "10.1.8.0/22", "192.0.2.9")])
    assert set(found) == {"good"}
    assert why in problems["bad"]


def within(address: str, machine: str) -> Object:
    """A Node in a network within a machine."""
    found = node("within", "10.1.8.0/22", address)
    return found | {"metadata": found["metadata"] | {"annotations": {"network.pilothouse.dev/reached-by": machine}}}


@pytest.mark.parametrize(
    ("machine", "gateway"),
    [("192.0.2.7", "192.0.2.7"), ("192.0.2.1", "172.27.0.2"), ("", "172.27.0.2"), ("nonsense", "172.27.0.2")],
    ids=["another machine", "this machine", "none", "no address"],
)
def test_a_node_within_another_machine_is_reached_by_that_and_one_of_this_machine_by_itself(machine: str, gateway: str) -> None:
    assert routes([within("172.27.0.2", machine), OWN])[0] == {"within": [Route("10.1.8.0/22", gateway)]}


def test_no_machine_has_an_address_of_a_pod() -> None:
    assert "is one of the pod network" in routes([OWN, within("172.27.0.2", "10.1.8.1")])[1]["within"]


def test_of_two_that_claim_the_same_range_the_older_one_has_it() -> None:
    young = node("young", "10.1.4.0/22", "192.0.2.2", "2026-01-02T00:00:00Z")
    old = node("old", "10.1.4.0/23", "192.0.2.3", "2026-01-01T00:00:00Z")
    assert set(routes([OWN, young, old])[0]) == {"old"}


FURTHER = BackendConfig(instance="t", node="one-2", cluster_cidrs=("10.1.0.0/16",), state=Path("/nowhere"), host_addresses=("172.27.0.1",))


def ways(nodes: Iterable[Object], config: BackendConfig) -> dict[str, tuple[str, str]]:
    """By node: the address by which it is reached, and the node whose host that is."""
    return {name: (str(peer.addresses[0]), peer.through) for name, peer in peers(nodes, config).others.items()}


def machine(name: str, number: int) -> list[Object]:
    """A machine's first node, which is reached at 192.0.2.x, and a further one within."""
    first = node(name, f"10.1.{16 * number}.0/24", f"192.0.2.{number}")
    inner = node(f"{name}-2", f"10.1.{16 * number + 1}.0/24", "172.27.0.2")
    inner["metadata"]["annotations"] = {"network.pilothouse.dev/reached-by": f"192.0.2.{number}"}
    return [first, inner]


def test_a_further_node_reaches_other_machines_through_the_first_node_of_its_own() -> None:
    found = ways([*machine("one", 1), *machine("two", 2)], FURTHER)
    assert found == dict.fromkeys(("one", "two", "two-2"), ("172.27.0.1", "one"))


def test_further_nodes_of_another_machine_are_reached_through_its_first_node() -> None:
    config = replace(FURTHER, node="one", host_addresses=())
    found = ways([*machine("one", 1), *machine("two", 2)], config)
    assert found == {"one-2": ("172.27.0.2", "one-2"), "two": ("192.0.2.2", "two"), "two-2": ("192.0.2.2", "two")}


def test_nodes_of_one_machine_that_no_other_one_reaches_go_straight_to_each_other() -> None:
    alone = [
        node("one", "10.1.16.0/24", "172.27.0.1"),
        node("one-2", "10.1.17.0/24", "172.27.0.2"),
        node("one-3", "10.1.18.0/24", "172.27.0.3"),
    ]
    assert ways(alone, FURTHER) == {"one": ("172.27.0.1", "one"), "one-3": ("172.27.0.3", "one-3")}


def test_a_thousand_nodes_of_which_two_overlap_are_told_apart() -> None:
    many = [node(f"n{number:04}", f"10.1.{number // 4}.{64 * (number % 4)}/26", "192.0.2.2") for number in range(1000)]
    found = peers([*many, node("zz", "10.1.9.32/27", "192.0.2.3", "2026-03-01T00:00:00Z")], CONFIG)
    assert len(found.others) == 1000
    assert found.problems == {"zz": "spec.podCIDR 10.1.9.32/27 overlaps 10.1.9.0/26 of an older node"}


def test_ranges_of_both_families_count_each_for_itself() -> None:
    config = replace(CONFIG, cluster_cidrs=("10.1.0.0/16", "fd00:1::/48"))
    both = node("a", "10.1.4.0/24", "192.0.2.2")
    both["spec"]["podCIDRs"] = ["10.1.4.0/24", "fd00:2::/64"]
    found = peers([both], config)
    assert [str(each) for each in found.others["a"].pod_cidrs] == ["10.1.4.0/24"]
    assert "fd00:2::/64 is not inside the pod network 10.1.0.0/16, fd00:1::/48" in found.problems["a"]


@pytest.mark.parametrize("address", ["fe80::2%eth0\n}\nprotocol bgp pwn {", "fe80::2%a b", "0.0.0.0", "127.0.0.1", "224.0.0.5", "::1"])
def test_what_is_no_single_machines_address_reaches_no_configuration(address: str) -> None:
    found = peers(
        [node("own", "10.1.0.0/24", "192.0.2.1"), node("bad", "10.1.1.0/24", address), node("good", "10.1.2.0/24", "192.0.2.3")], CONFIG
    )
    assert list(found.others) == ["good"]
    assert "no address of type InternalIP" in found.problems["bad"]


def test_a_range_without_room_for_a_pod_is_no_range() -> None:
    found = peers(
        [node("own", "10.1.0.0/24", "192.0.2.1"), node("bad", "10.1.1.0/32", "192.0.2.2"), node("good", "10.1.2.0/24", "192.0.2.3")], CONFIG
    )
    assert list(found.others) == ["good"]
    assert "has no room for pods" in found.problems["bad"]


def test_who_waits_for_more_than_it_names_may_wait_for_anybody() -> None:
    few, many = (
        following({"metadata": {"annotations": {FOLLOWS: Following("BGP", 1, tuple(f"n{k}" for k in range(n))).shown()}}}) for n in (5, 12)
    )
    assert (few.waits_for("n3"), few.waits_for("own")) == (True, False)
    assert many.waits_for("own")


@pytest.mark.parametrize("mac", ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"])
def test_a_tunnel_ends_at_no_group(mac: str) -> None:
    said = {"mac": mac, "vni": 1, "port": 8472, "address": "192.0.2.2"}
    assert announced({"metadata": {"annotations": {VTEP: json.dumps(said)}}}) is None
    assert announced({"metadata": {"annotations": {VTEP: json.dumps(said | {"mac": "02:00:00:00:00:01"})}}}) is not None
