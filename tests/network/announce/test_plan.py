"""Who answers for which address."""

import json
import time
from collections import Counter
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from pilothouse.model import address_pools, meta
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import EXCLUDED, LINKS, Address
from pilothouse.network.announce.nodes import Nodes
from pilothouse.network.announce.plan import Announced, Lost, Planner, World
from tests.engine.controllers.loadbalancer.objects import READY, pool

ADDRESS = "192.0.2.100"


def node(name: str, network: str = "192.0.2.0/24", labels: Object | None = None, ready: str = "True") -> Object:
    links = json.dumps([{"name": "eth0", "mac": "02:00:00:00:00:01", "networks": [network]}])
    metadata = {"name": name, "annotations": {LINKS: links}, "labels": labels or {}}
    return {"metadata": metadata, "status": {"conditions": [{**READY, "status": ready}]}}


def service(name: str = "web", address: str = ADDRESS, labels: Object | None = None, **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "default", "labels": labels or {}}
    status = {"loadBalancer": {"ingress": [{"ip": address}]}}
    return {"metadata": metadata, "spec": {"type": "LoadBalancer", **spec}, "status": status}


def advertisement(**spec: Any) -> Object:
    return {"metadata": {"name": "all"}, "spec": spec}


def world(*nodes: Object, services: tuple[Object, ...] = (), told: tuple[Object, ...] | None = None, **more: Any) -> World:
    pools = address_pools.read([pool("lan", "192.0.2.64/26", "fd00:2::/120")], ())
    return World(
        services or (service(),),
        Nodes(nodes).usable(),
        pools,
        {"lan": {"tier": "front"}},
        (advertisement(),) if told is None else told,
        **more,
    )


def plan(given: World, here: str = "n1", lost: Lost | None = None) -> dict[Address, Announced]:
    return Planner(here).plan(given, lost or Lost())


def found(given: World, here: str = "n1", lost: Lost | None = None, address: str = ADDRESS) -> Announced:
    return plan(given, here, lost)[ip_address(address)]


NODES = tuple(node(f"n{number}") for number in range(1, 5))


def test_all_nodes_name_the_same_owner_and_another_second() -> None:
    results = {(found(world(*NODES), meta.name(each)).owner, found(world(*NODES), meta.name(each)).second) for each in NODES}
    assert len(results) == 1
    owner, second = results.pop()
    assert owner
    assert second
    assert owner != second


def test_addresses_are_spread_over_the_nodes() -> None:
    services = tuple(service(f"s{number}", f"192.0.2.{64 + number}") for number in range(60))
    owners = Counter(each.owner for each in plan(world(*NODES, services=services), "n1").values())
    assert set(owners) == {"n1", "n2", "n3", "n4"}
    assert max(owners.values()) < 30


def test_without_its_owner_only_the_addresses_of_that_one_move() -> None:
    services = tuple(service(f"s{number}", f"192.0.2.{64 + number}") for number in range(40))
    before = plan(world(*NODES, services=services), "n1")
    after = plan(world(*NODES[1:], services=services), "n1")
    assert all(after[address].owner == each.owner for address, each in before.items() if each.owner != "n1")
    assert all(after[address].owner == each.second for address, each in before.items() if each.owner == "n1")


def test_who_says_that_he_has_it_keeps_it_while_he_may() -> None:
    for name in ("n1", "n2", "n3", "n4"):
        assert found(world(*NODES, holders={"default/web": (name,)})).owner == name
    assert found(world(*NODES, holders={"default/web": ("n2",)}), lost=Lost(frozenset({"n2"}))).owner != "n2"
    assert found(world(*NODES[2:], holders={"default/web": ("n2",)})).owner in ("n3", "n4")


def test_each_address_of_a_service_stays_with_the_one_that_may_have_it() -> None:
    four, six = node("n1"), node("n2", "fd00:2::/64")
    both = service()
    both["status"]["loadBalancer"]["ingress"].append({"ip": "fd00:2::5"})
    others = (node("n3"), node("n4", "fd00:2::/64"))
    for holders in (("n1", "n2"), ("n2", "n1")):
        given = world(four, six, *others, services=(both,), holders={"default/web": holders})
        assert found(given).owner == "n1"
        assert found(given, address="fd00:2::5").owner == "n2"


@pytest.mark.parametrize(
    ("nodes", "owner"),
    [
        ((node("n1", ready="Unknown"), node("n2")), "n2"),
        ((node("n1", labels={EXCLUDED: ""}), node("n2")), "n2"),
        ((node("n1", labels={EXCLUDED: ""}),), "n1"),
        ((node("n1", "198.51.100.0/24"), node("n2")), "n2"),
        ((node("n1", "198.51.100.0/24"),), "n1"),
        (({"metadata": {"name": "n1"}, "status": {"conditions": [READY]}}, node("n2")), "n2"),
    ],
)
def test_only_nodes_that_can_answer_do(nodes: tuple[Object, ...], owner: str) -> None:
    assert found(world(*nodes)).owner == owner


def test_node_selectors_and_interfaces_of_advertisements_hold() -> None:
    told = (advertisement(nodeSelectors=[{"matchLabels": {"rack": "a"}}], interfaces=["eth1"]),)
    nodes = node("n1"), node("n2", labels={"rack": "a"})
    assert found(world(*nodes, told=told)).owner == "n2"
    assert found(world(*nodes, told=told), "n2").interfaces == {"eth1"}
    assert found(world(*nodes), "n2").interfaces is None


@pytest.mark.parametrize(
    ("spec", "is_told"),
    [
        ({"ipAddressPools": ["lan"]}, True),
        ({"ipAddressPools": ["other"]}, False),
        ({"ipAddressPoolSelectors": [{"matchLabels": {"tier": "front"}}]}, True),
        ({"ipAddressPoolSelectors": [{"matchLabels": {"tier": "back"}}]}, False),
        ({"serviceSelectors": [{"matchLabels": {"app": "web"}}]}, True),
        ({"serviceSelectors": [{"matchLabels": {"app": "db"}}]}, False),
        ({"ipAddressPoolSelectors": [{"matchExpressions": [{"key": "a", "operator": "Nonsense"}]}]}, False),
    ],
)
def test_an_advertisement_is_for_what_it_names(spec: Object, is_told: bool) -> None:
    result = found(world(*NODES, services=(service(labels={"app": "web"}),), told=(advertisement(**spec),)))
    assert (result.owner != "", result.why) == ((True, "") if is_told else (False, "no L2Advertisement names pool lan"))


def test_with_local_traffic_policy_a_node_with_an_endpoint_answers() -> None:
    local = (service(externalTrafficPolicy="Local"),)
    assert found(world(*NODES, services=local, serving={"default/web": {"n3"}})).owner == "n3"
    assert "externalTrafficPolicy is Local" in found(world(*NODES, services=local)).why


def test_addresses_that_are_no_pools_are_not_announced() -> None:
    assert not plan(world(*NODES, services=(service(address="198.51.100.1"),)), "n1")
    assert not plan(world(*NODES, services=(service(loadBalancerClass="example.com/lb"),)), "n1")


def test_one_address_that_a_node_does_not_answer_for_moves_alone() -> None:
    services = tuple(service(f"s{number}", f"192.0.2.{64 + number}") for number in range(40))
    given = world(*NODES, services=services)
    before = plan(given)
    address = next(each.address for each in before.values() if each.owner == "n2")
    after = plan(given, lost=Lost(addresses={address: frozenset({"n2"})}))
    assert [each for each, now in after.items() if now.owner != before[each].owner] == [address]
    assert after[address].owner == before[address].second


def test_a_change_of_a_node_costs_little_with_a_thousand_nodes_and_addresses() -> None:
    nodes = Nodes(node(f"n{number}") for number in range(1000))
    services = tuple(service(f"s{number}", f"10.0.{number // 250}.{number % 250}") for number in range(1000))
    pools, planner = address_pools.read([pool("lan", "10.0.0.0/16")], ()), Planner("n1")

    def taken_s() -> float:
        given = World(services, nodes.usable(), pools, {}, (advertisement(),))
        began = time.thread_time()
        planner.plan(given, Lost())
        return time.thread_time() - began

    first = taken_s()
    nodes.put(node("n7", ready="Unknown"))
    assert first < 6.0
    assert taken_s() < 1.0


def test_plans_after_changes_are_those_of_a_planner_that_begins_anew() -> None:
    nodes, planner = Nodes(NODES), Planner("n1")
    services = tuple(service(f"s{number}", f"192.0.2.{64 + number}") for number in range(20))
    given = world(services=services)
    for change in (node("n9"), node("n2", ready="Unknown"), node("n3", "198.51.100.0/24"), node("n2"), node("n1", labels={EXCLUDED: ""})):
        nodes.put(change)
        now = replace(given, nodes=nodes.usable())
        assert planner.plan(now, Lost()) == Planner("n1").plan(now, Lost())
