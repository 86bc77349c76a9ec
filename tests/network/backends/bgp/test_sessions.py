"""Who speaks with whom, and what it may announce."""

from dataclasses import replace
from ipaddress import ip_address

from pilothouse.model.cluster_network import FOLLOWS, Following
from pilothouse.model.node_objects import REACHED_BY
from pilothouse.network.backends.bgp.sessions import NodeSession, topology
from pilothouse.network.backends.bgp.settings import BGPSettings
from pilothouse.network.backends.seam import Peer, View
from pilothouse.network.backends.selftest.component import listens, speaking
from pilothouse.network.backends.selftest.half_open import Port
from tests.network.backends.bgp.objects import node, view

REFLECTORS = {"nodeSelector": {"matchLabels": {"reflects": "yes"}}}


def sessions(wanted: View) -> dict[str, NodeSession]:
    """Over IPv4, by node."""
    found = topology(wanted, BGPSettings.of(wanted.spec)).sessions
    return {each.node: each for each in found if each.address.version == 4}


def ranges(session: NodeSession) -> list[str]:
    return [str(each) for each in session.accepted]


def test_each_node_speaks_with_every_other_one_over_each_family_and_hears_of_its_own_ranges_alone() -> None:
    found = topology(view(node(1), node(2), node(3)), BGPSettings())
    assert {(each.node, *ranges(each)) for each in found.sessions} == {
        ("n2", "10.244.2.0/24"),
        ("n2", "fd00:10:244:2::/64"),
        ("n3", "10.244.3.0/24"),
        ("n3", "fd00:10:244:3::/64"),
    }


def test_without_a_mesh_nodes_do_not_speak_with_each_other() -> None:
    assert sessions(view(node(1), node(2), nodeMesh=False)) == {}


def test_with_reflectors_nodes_speak_with_these_alone_and_hear_of_all_by_them() -> None:
    reflector = node(2, labels={"reflects": "yes"})
    found = sessions(view(node(1), reflector, node(3), routeReflectors=REFLECTORS))
    assert list(found) == ["n2"]
    assert ranges(found["n2"]) == ["10.244.2.0/24", "10.244.3.0/24"]
    assert not found["n2"].is_client


def test_while_no_node_has_the_labels_of_the_reflectors_each_speaks_with_every_other_one() -> None:
    found = sessions(view(node(1), node(2), node(3), routeReflectors=REFLECTORS))
    assert {name: ranges(each) for name, each in found.items()} == {"n2": ["10.244.2.0/24"], "n3": ["10.244.3.0/24"]}
    assert not any(each.is_client for each in found.values())
    assert list(sessions(view(node(1, labels={"reflects": "yes"}), node(2), routeReflectors=REFLECTORS))) == ["n2"]
    assert sessions(view(node(1), node(2), routeReflectors=REFLECTORS, nodeMesh=False)) == {}


def test_a_selector_of_reflectors_that_is_not_understood_parts_no_nodes() -> None:
    unread = {"nodeSelector": {"matchLabels": {"no label": "x"}}}
    assert list(sessions(view(node(1), node(2), routeReflectors=unread))) == ["n2"]


def test_a_reflector_hands_on_what_nodes_say_of_themselves_and_takes_the_other_reflectors_word() -> None:
    yes = {"reflects": "yes"}
    found = sessions(view(node(1, labels=yes), node(2, labels=yes), node(3), routeReflectors=REFLECTORS))
    assert (found["n2"].is_client, ranges(found["n2"])) == (False, ["10.244.2.0/24", "10.244.3.0/24"])
    assert (found["n3"].is_client, ranges(found["n3"])) == (True, ["10.244.3.0/24"])


def inside(number: int, machine: str, through: str = "") -> Peer:
    return node(number, through=through, **{REACHED_BY: machine})


def test_a_machines_first_node_is_the_way_to_and_from_the_nodes_within_it() -> None:
    machine = sessions(view(node(1), inside(2, "192.0.2.1"), node(3)))
    assert (machine["n2"].is_client, machine["n2"].is_next_hop, machine["n2"].local) == (True, True, None)
    assert (machine["n3"].is_client, machine["n3"].is_next_hop) == (False, True)
    gateway = replace(node(1), addresses=(ip_address("172.16.0.1"),))
    within = sessions(view(inside(2, "192.0.2.1"), gateway, replace(node(3), through="n1")))
    assert (list(within), ranges(within["n1"])) == (["n1"], ["10.244.1.0/24", "10.244.3.0/24"])


def test_a_node_behind_another_is_heard_of_by_that_one() -> None:
    found = sessions(view(node(3), node(1), inside(2, "192.0.2.1", through="n1")))
    assert (list(found), ranges(found["n1"])) == (["n1"], ["10.244.1.0/24", "10.244.2.0/24"])


def test_a_range_of_a_family_that_its_node_has_no_address_of_is_named() -> None:
    other = replace(node(2), addresses=(ip_address("192.0.2.2"),))
    found = topology(view(node(1), other), BGPSettings())
    assert "no IPv6 address of type InternalIP, by which fd00:10:244:2::/64 is announced" in found.problems["n2"]
    assert len(found.sessions) == 1


def test_the_port_is_tried_of_those_alone_with_whom_a_node_speaks_and_who_follow() -> None:
    follows = {FOLLOWS: Following("BGP").shown()}
    reflector, other, late = node(2, labels={"reflects": "yes"}, **follows), node(3, **follows), node(4, labels={"reflects": "yes"})
    whole = view(node(1), reflector, other, late, routeReflectors=REFLECTORS, listenPort=1790)
    whole = replace(whole, spec={**whole.spec, "encryption": "None"})
    settings = speaking(whole)
    assert listens(whole, settings, reflector, 4) == Port("192.0.2.1", "192.0.2.2", 1790)
    assert listens(whole, settings, reflector, 6) == Port("2001:db8::1", "2001:db8::2", 1790)
    assert [listens(whole, settings, each, 4) for each in (other, late)] == [None, None]
    assert speaking(replace(whole, spec={**whole.spec, "backend": "Routes"})) is None
    unlabelled = replace(whole, peers={"n3": other})
    assert listens(unlabelled, speaking(unlabelled), other, 4) == Port("192.0.2.1", "192.0.2.3", 1790)


def test_the_addresses_of_nodes_are_all_of_their_internal_ones_and_those_by_which_they_are_reached() -> None:
    peer = replace(node(2), addresses=(ip_address("172.16.0.1"),))
    found = topology(view(node(1, families="4"), peer), BGPSettings()).addresses
    assert [str(each) for each in found] == ["192.0.2.1", "172.16.0.1", "192.0.2.2", "2001:db8::2"]
