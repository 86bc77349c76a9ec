"""What a node says where what is set does not make the sessions that one may expect."""

from ipaddress import ip_network
from typing import Any

from pilothouse.model.node_objects import REACHED_BY
from pilothouse.network.backends.bgp.remarks import Remark, remarks
from pilothouse.network.backends.bgp.routers import RouterSession, routers
from pilothouse.network.backends.bgp.sessions import topology
from pilothouse.network.backends.bgp.settings import BGPSettings
from pilothouse.network.backends.seam import Peer
from tests.network.backends.bgp.objects import node, view
from tests.network.backends.bgp.test_routers_plan import peer


def of_nodes(
    *, others: int = 1, inside: tuple[Peer, ...] = (), racks: tuple[str, ...] = (), labels: dict[str, str] | None = None, **bgp: Any
) -> Remark | None:
    own = node(1, labels=labels)
    settings = BGPSettings.of({"bgp": bgp})
    found = [peer(name, peerAddress=f"192.0.2.{100 + number}") for number, name in enumerate(racks)]
    sessions: tuple[RouterSession, ...] = routers(found, own, settings, {}).sessions
    seen = view(own, *(node(number + 2) for number in range(others)), *inside, **bgp)
    said = remarks(seen, settings, topology(seen, settings).sessions, sessions)
    return next((each for each in said if each.reason), None)


REFLECTORS = {"nodeSelector": {"matchLabels": {"no": "node"}}}


def test_labels_of_reflectors_that_no_node_has_are_named() -> None:
    assert of_nodes(routeReflectors=REFLECTORS) == Remark(
        "no node has the labels of routeReflectors (no=node): every node has a session with every other one, as without routeReflectors",
        "NoRouteReflector",
    )
    assert of_nodes(routeReflectors=REFLECTORS, labels={"no": "node"}) is None
    assert of_nodes() is None


def test_a_selector_of_reflectors_that_is_not_understood_is_named_with_the_cause() -> None:
    said = of_nodes(routeReflectors={"nodeSelector": {"matchLabels": {"no label": "x"}}})
    assert said is not None
    assert said.text.startswith("the nodeSelector of routeReflectors is not understood (")
    assert "no label" in said.text


def test_nodes_without_sessions_with_each_other_say_so_and_that_they_are_not_reached() -> None:
    assert of_nodes(nodeMesh=False) == Remark(
        "nodeMesh is false, and there are no routeReflectors: nodes have no BGP sessions with each other, "
        "and do not reach each other's pods by BGP: set spec.bgp.nodeMesh to true",
        "NoNodeSessions",
        is_trouble=True,
    )
    both = of_nodes(nodeMesh=False, routeReflectors=REFLECTORS)
    assert both is not None
    assert both.text.startswith("nodeMesh is false, and no node has the labels of routeReflectors (no=node): nodes have no BGP sessions")
    assert of_nodes(nodeMesh=False, others=0) is None
    within = node(9, **{REACHED_BY: "192.0.2.1"})
    assert of_nodes(nodeMesh=False, others=0, inside=(within,)) is None
    assert of_nodes(nodeMesh=False, inside=(within,)) is not None


def test_routers_that_are_told_of_pods_may_lead_there_which_is_no_trouble() -> None:
    said = of_nodes(nodeMesh=False, racks=("rack", "tor"))
    assert said is not None
    assert not said.is_trouble
    assert said.text.endswith("and their pods are reached as far as the routers lead there that are told of them (rack, tor)")
    untold = of_nodes(nodeMesh=False, racks=("rack",), announce={"podNetworks": False})
    assert untold is not None
    assert untold.is_trouble


def test_accepted_networks_of_pods_and_services_are_named_since_nothing_of_them_is_taken() -> None:
    settings = BGPSettings.of({"bgp": {"acceptedNetworks": ["10.244.4.0/24", "10.96.0.0/16", "198.51.100.0/24", "0.0.0.0/0"]}})
    (found,) = remarks(view(node(1)), settings, (), (), (ip_network("10.244.0.0/16"), ip_network("10.96.0.0/16")))
    assert found == Remark(
        "nothing of acceptedNetworks 10.244.4.0/24 (inside 10.244.0.0/16), 10.96.0.0/16 (inside 10.96.0.0/16) is taken from routers: "
        "pods and Services are there"
    )


def test_a_long_selector_is_cut() -> None:
    said = of_nodes(
        routeReflectors={"nodeSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["x" * 60] * 256}] * 64}}
    )
    assert said is not None
    assert len(said.text) < 400
