"""Who answers on a link for the addresses of load balancers: real announcers, ARP and Neighbour Discovery, no containers."""

import time
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from pilothouse.model import meta
from pilothouse.network.announce.frames import announcement
from tests.e2e.network.conftest import sh
from tests.e2e.network.lan import Host, Lan, Make, balanced, eventually, lan, mac_of, of_pool, refused, send
from tests.e2e.network.pods import fetch, serving
from tests.network.cluster import endpoint, endpoint_slice

pytestmark = pytest.mark.containers
FOUR, SIX = "192.0.2.100", "fd00:2::100"


@pytest.fixture
def link(host: None) -> Iterator[Lan]:
    with lan() as made:
        made.put(of_pool("IPAddressPool", "lan", addresses=["192.0.2.100-192.0.2.120", "fd00:2::100-fd00:2::120"]))
        made.put(of_pool("L2Advertisement", "all"))
        yield made


def test_a_single_node_answers_for_both_families_and_refuses_what_no_service_has(link: Lan, namespace: Make) -> None:
    one, client = link.node(1, namespace), link.host(9, namespace).namespace
    link.put(balanced("web", FOUR, SIX))
    eventually(lambda: one.has(FOUR) and one.has(SIX))
    for address in (FOUR, SIX):
        eventually(lambda address=address: refused(client, address))  # type: ignore[misc]
        assert mac_of(client, address) == one.mac
    link.delete("Service", "web")
    eventually(lambda: not one.has(FOUR) and not one.has(SIX))


def two(link: Lan, namespace: Make, **spec: object) -> tuple[Host, Host]:
    """Two nodes: the one that answers for the address, and the other one."""
    one, other = link.node(1, namespace), link.node(2, namespace)
    eventually(lambda: all("network.pilothouse.dev/links" in meta.annotations(each) for each in link.objects() if each["kind"] == "Node"))
    link.put(balanced("web", FOUR, **spec))
    eventually(lambda: link.holders(FOUR))
    eventually(lambda: any(each["kind"] == "ServiceL2Status" for each in link.objects()))
    return (one, other) if one.has(FOUR) else (other, one)


def test_one_node_answers_and_a_further_one_takes_nothing_away(link: Lan, namespace: Make) -> None:
    first, second = two(link, namespace)
    for number in (3, 4, 5):
        link.node(number, namespace)
    time.sleep(2)
    assert link.holders(FOUR) == [first.name]
    assert not second.has(FOUR)


@pytest.mark.slow
def test_killing_the_agent_changes_nothing_and_its_successor_goes_on(link: Lan, namespace: Make) -> None:
    first, second = two(link, namespace)
    client = link.host(9, namespace).namespace
    assert refused(client, FOUR)
    for _ in range(2):
        first.kill()
        time.sleep(2.5)
        client.run("ip", "neigh", "flush", "all")
        assert refused(client, FOUR)
        first.start()
        time.sleep(1.5)
    assert mac_of(client, FOUR) == first.mac
    assert not second.has(FOUR)


def test_an_agent_that_stays_dead_gives_the_address_up(link: Lan, namespace: Make) -> None:
    one = link.node(1, namespace, valid_s=3)
    link.put(balanced("web", FOUR))
    eventually(lambda: one.has(FOUR))
    one.kill()
    assert 0 < eventually(lambda: not one.has(FOUR), 8) < 8


def test_a_machine_that_is_gone_is_replaced_within_seconds_and_does_not_come_back_for_its_addresses(link: Lan, namespace: Make) -> None:
    first, second = two(link, namespace)
    client = link.host(9, namespace).namespace
    assert refused(client, FOUR)
    time.sleep(1)
    sh("ip", "link", "set", f"lan{first.number}", "down")
    assert eventually(lambda: second.has(FOUR)) < 8
    eventually(lambda: refused(client, FOUR), 3)
    assert mac_of(client, FOUR) == second.mac
    sh("ip", "link", "set", f"lan{first.number}", "up")
    eventually(lambda: link.holders(FOUR) == [second.name])
    time.sleep(1)
    assert link.holders(FOUR) == [second.name]


def test_one_address_that_is_not_answered_moves_alone(link: Lan, namespace: Make) -> None:
    first, second = two(link, namespace)
    names = [f"192.0.2.{number}" for number in range(101, 113)]
    for address in names:
        link.put(balanced(f"web-{address}", address))
    eventually(lambda: all(link.holders(address) for address in names))
    held = [address for address in names if first.has(address)]
    time.sleep(1)
    first.kill()
    first.namespace.run("ip", "addr", "del", f"{FOUR}/32", "dev", "eth0")
    assert eventually(lambda: second.has(FOUR)) < 10
    assert link.has_said("AddressUnanswered", f"node {first.name} does not answer for {FOUR}")
    time.sleep(2)
    assert [address for address in names if first.has(address)] == held
    assert not [address for address in held if second.has(address)]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_two_thousand_addresses_are_held_and_each_is_heard_of(link: Lan, namespace: Make) -> None:
    one = link.node(1, namespace)
    addresses = [str(ip_address("198.18.0.1") + 29 * number) for number in range(2000)]
    link.put(of_pool("IPAddressPool", "wide", addresses=["198.18.0.0/15"]))
    for address in addresses:
        link.put(balanced(f"web-{address}", address))
    eventually(lambda: one.namespace.run("ip", "-o", "addr", "show", "dev", "eth0").count("198.1") >= 2000, 60)
    stranger = link.host(9, namespace).namespace
    for address in (addresses[0], addresses[-1]):
        send(stranger, announcement(bytes.fromhex("020000000009"), ip_address(address)))
        eventually(lambda address=address: link.has_said("AddressInUse", address, "02:00:00:00:00:09"))  # type: ignore[misc]


def test_a_node_that_is_not_ready_hands_over_without_a_gap(link: Lan, namespace: Make) -> None:
    first, second = two(link, namespace)
    link.set_ready(first.name, is_ready=False)
    assert eventually(lambda: link.holders(FOUR) == [second.name]) < 3
    link.set_ready(first.name, is_ready=True)
    time.sleep(1)
    assert link.holders(FOUR) == [second.name]


def test_with_local_traffic_policy_the_address_is_where_the_endpoint_is(link: Lan, namespace: Make) -> None:
    one, other = link.node(1, namespace), link.node(2, namespace)
    link.put(balanced("web", FOUR, externalTrafficPolicy="Local"))
    for node in (one, other, one):
        link.put({"kind": "EndpointSlice", **endpoint_slice("web", [], endpoint("10.244.0.9", node=node.name))})
        eventually(lambda node=node: link.holders(FOUR) == [node.name])  # type: ignore[misc]


def test_an_address_that_somebody_has_is_not_taken_until_he_is_gone(link: Lan, namespace: Make) -> None:
    stranger = link.host(9, namespace).namespace
    for address in (f"{FOUR}/24", f"{SIX}/64"):
        stranger.run("ip", "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
    one = link.node(1, namespace)
    link.put(balanced("web", FOUR))
    link.put(balanced("six", SIX))
    link.put(balanced("free", "192.0.2.101"))
    eventually(lambda: one.has("192.0.2.101"))
    for address in (FOUR, SIX):
        eventually(lambda address=address: link.has_said("AddressInUse", address, "02:00:00:00:00:09"))  # type: ignore[misc]
    eventually(lambda: link.has_said("LoadBalancerAddressConflict=True"))
    assert not one.has(FOUR)
    assert not one.has(SIX)
    stranger.run("ip", "addr", "flush", "dev", "eth0")
    assert eventually(lambda: one.has(FOUR) and one.has(SIX)) < 8


def test_somebody_who_takes_an_announced_address_is_named_and_contradicted(link: Lan, namespace: Make) -> None:
    one, client = link.node(1, namespace), link.host(8, namespace).namespace
    link.put(balanced("web", FOUR))
    eventually(lambda: one.has(FOUR))
    assert refused(client, FOUR)
    stranger = link.host(9, namespace).namespace
    stranger.run("ip", "addr", "add", f"{FOUR}/24", "dev", "eth0")
    send(stranger, announcement(bytes.fromhex("020000000009"), ip_address(FOUR)))
    eventually(lambda: link.has_said("AddressInUse", FOUR, "02:00:00:00:00:09"))
    eventually(lambda: mac_of(client, FOUR) == one.mac)
    assert one.has(FOUR)


@pytest.mark.slow
def test_programs_of_the_node_are_not_open_at_the_address_and_a_ping_is_answered(link: Lan, namespace: Make) -> None:
    one, client = link.node(1, namespace), link.host(9, namespace).namespace
    with serving(one.namespace, "own", 80):
        link.put(balanced("web", FOUR))
        eventually(lambda: refused(client, FOUR, 80))
        assert fetch("http://192.0.2.1/", client).startswith("own")
        assert eventually(lambda: "tcp/80" in str(link.objects())) < 8
