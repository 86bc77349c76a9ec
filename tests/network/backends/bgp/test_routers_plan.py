"""BGPPeers as sessions, and why one has none."""

from typing import Any

import pytest

from pilothouse.model.json import Object
from pilothouse.network.backends.bgp.routers import routers
from pilothouse.network.backends.bgp.settings import BGPSettings
from tests.network.backends.bgp.objects import node


def peer(name: str = "rack", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "metallb-system"}
    return {"metadata": metadata, "spec": {"myASN": 64512, "peerASN": 64600, "peerAddress": "192.0.2.100", **spec}}


def test_a_peer_is_a_session_of_the_nodes_that_it_selects() -> None:
    selecting = peer(nodeSelectors=[{"matchLabels": {"edge": "yes"}}])
    assert not routers([selecting], node(1), BGPSettings(), {}).sessions
    (found,) = routers([selecting], node(1, labels={"edge": "yes"}), BGPSettings(), {}).sessions
    assert (found.peer, str(found.address), str(found.local), found.port, found.is_multihop) == (
        "rack",
        "192.0.2.100",
        "192.0.2.1",
        179,
        False,
    )
    assert (found.hold_s, found.keepalive_s) == (90, 30)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"bfdProfile": "quick"}, "asks for BFD (bfdProfile), which is not supported: leave bfdProfile out"),
        ({"peerAddress": "rack.example"}, "'rack.example' is no IP address"),
        ({"peerAddress": "fe80::1%eth0"}, "has a scope"),
        ({"sourceAddress": "2001:db8::1"}, "no IPv4 address to speak with"),
        ({"holdTime": "soon"}, "is no duration such as 90s"),
        ({"holdTime": "1s"}, "must be at least 3 s"),
        ({"holdTime": "9s", "keepaliveTime": "10s"}, "keepaliveTime 10 s from 1 s to that"),
        ({"peerASN": 0}, "states no peerASN"),
        ({"password": 'a" ; accept'}, "a quotation mark"),
        ({"password": "a\nb"}, "a control character"),
        ({"password": "a" * 81}, "more than 80 bytes"),
        ({"passwordSecret": {"name": "gone"}}, "its Secret gone cannot be read"),
        ({"nodeSelectors": [{"matchExpressions": [{"key": "a", "operator": "Near"}]}]}, "nodeSelectors are not understood"),
    ],
)
def test_what_is_not_carried_out_has_no_session_and_a_reason(spec: Object, why: str) -> None:
    found = routers([peer(**spec)], node(1), BGPSettings(), {})
    assert not found.sessions
    assert why in found.problems["rack"]


def test_two_peers_with_one_address_have_one_session() -> None:
    found = routers([peer("a"), peer("b")], node(1), BGPSettings(), {})
    assert [each.peer for each in found.sessions] == ["a"]
    assert "it has the address of BGPPeer a" in found.problems["b"]


def test_a_password_is_not_part_of_what_is_printed() -> None:
    (found,) = routers([peer(passwordSecret={"name": "s"})], node(1), BGPSettings(), {"s": "hunter2"}).sessions
    assert found.password == "hunter2"
    assert "hunter2" not in repr(found)
