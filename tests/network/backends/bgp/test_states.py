"""What BIRD says of its sessions, and what a node says of that."""

import json

from pilothouse.model import bgp
from pilothouse.network.backends.bgp.remarks import Remark
from pilothouse.network.backends.bgp.report import Said, lines, refused, said
from pilothouse.network.backends.bgp.sessions import topology
from pilothouse.network.backends.bgp.settings import BGPSettings
from pilothouse.network.backends.bgp.states import SessionState, states, with_causes
from tests.network.backends.bgp.objects import node, view

ANSWER = """\
Name       Proto      Table      State  Since         Info
kernel4    Kernel     master4    up     1796020665
  Channel ipv4
    Routes:         0 imported, 1 exported, 0 preferred

node4_676b8bb84ce7267d BGP        ---        up     1796020666    Established
  Description:    n1
  BGP state:          Established
    Neighbor address: 192.0.2.1
  Channel ipv4
    State:          UP
    Routes:         3 imported, 1 exported, 1 preferred

router4_0480a93d2e9b094b BGP        ---        start  1796020700    Connect       Error: Bad peer AS
  Description:    rack
  BGP state:          Connect
    Neighbor address: 192.0.2.2
    Last error:       Error: Bad peer AS
router6_1111111111111111 BGP        ---        down   1796020701
""".splitlines()


def test_sessions_are_read_with_their_state_routes_and_last_error() -> None:
    assert states(ANSWER) == {
        "node4_676b8bb84ce7267d": SessionState("node4_676b8bb84ce7267d", "Established", 1796020666, 3, 1, ""),
        "router4_0480a93d2e9b094b": SessionState("router4_0480a93d2e9b094b", "Connect", 1796020700, 0, 0, "Error: Bad peer AS"),
        "router6_1111111111111111": SessionState("router6_1111111111111111", "Down", 1796020701),
    }


def test_a_condition_names_who_does_not_answer_and_the_likely_cause() -> None:
    found = topology(view(node(1, families="4"), node(2, families="4"), node(3, families="4")), BGPSettings()).sessions
    by_node = {each.node: each.name for each in found}
    known = {
        by_node["n2"]: SessionState(by_node["n2"], "Established"),
        by_node["n3"]: SessionState(by_node["n3"], "Active", error="Socket: Connection refused"),
    }
    told = said(lines(found, (), known, as_number=64512, port=179), "")
    assert (told.is_true, told.reason) == (True, "BGPSessionsDown")
    assert told.message == (
        "1 of 2 BGP sessions are down: n3 at 192.0.2.3: nothing listens at TCP port 179 there (Socket: Connection refused)"
    )
    known[by_node["n3"]].state = "Established"
    assert not said(lines(found, (), known, as_number=64512, port=179), "").is_true
    assert said((), "this node has no BIRD").message == "this node has no BIRD; routes stay as they are"


def test_what_a_neighbour_has_said_counts_while_it_only_closes_connections() -> None:
    before = states(ANSWER)
    closed = {name: SessionState(name, "Active", error="Socket: Connection reset by peer") for name in before}
    found = with_causes(closed, before)
    assert found["router4_0480a93d2e9b094b"].error == "Error: Bad peer AS"
    assert found["router6_1111111111111111"].error == "Socket: Connection reset by peer"
    up = with_causes({"router4_0480a93d2e9b094b": SessionState("router4_0480a93d2e9b094b", "Established")}, before)
    assert up["router4_0480a93d2e9b094b"].error == ""
    later = {"router4_0480a93d2e9b094b": SessionState("router4_0480a93d2e9b094b", "Active", error="Socket: Connection refused")}
    assert with_causes(later, before)["router4_0480a93d2e9b094b"].error == "Socket: Connection refused"


def test_a_router_that_is_not_carried_out_is_told_of_among_those_that_are_down() -> None:
    rack = {"metadata": {"name": "rack"}, "spec": {"peerAddress": "192.0.2.200"}}
    found = refused([rack, {"metadata": {"name": "other"}}], {"rack": "its holdTime is no duration"})
    told = said(found, "")
    assert told.is_true
    assert told.message == "1 of 1 BGP sessions are down: rack at 192.0.2.200: its holdTime is no duration"


def test_what_is_set_and_not_carried_out_is_told_beside_the_sessions() -> None:
    fallback = Remark("no node has the labels", "NoRouteReflector")
    apart = Remark("nodes have no sessions", "NoNodeSessions", is_trouble=True)
    assert said((), "", (fallback,)) == Said(False, "NoRouteReflector", "there is nobody to speak BGP with; no node has the labels")
    assert said((), "", (apart,)).is_true
    down = said(refused([{"metadata": {"name": "rack"}}], {"rack": "it is wrong"}), "", (fallback,))
    assert (down.reason, down.message.endswith("it is wrong; no node has the labels")) == ("BGPSessionsDown", True)


def test_an_annotation_is_bounded_and_names_those_that_are_down_first() -> None:
    sessions = [
        {"peer": f"n{n}", "kind": "node", "address": "192.0.2.1", "state": "Established" if n else "Idle", "since": 1, "error": ""}
        for n in range(500)
    ]
    text = bgp.shown(64512, sessions, ["x" * 10_000] * 100)
    assert len(text) < 8192 + bgp.MOST_REMARKS * bgp.MOST_REMARK
    found = bgp.status({"metadata": {"annotations": {bgp.STATUS: text}}})
    assert (found["sessions"], found["up"], found["named"][0]["peer"], len(found["named"])) == (500, 499, "n0", bgp.MOST_SESSIONS)


def test_what_is_no_status_is_none() -> None:
    for text in ("", "[", "[]", '{"as": "x"}', json.dumps({"as": 1, "sessions": None, "up": 1})):
        assert bgp.status({"metadata": {"annotations": {bgp.STATUS: text}}}) == {}
