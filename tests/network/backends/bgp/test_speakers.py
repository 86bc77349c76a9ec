"""Real packets over routes that real BIRDs have made, and what becomes of these when something breaks."""

from pathlib import Path

import pytest

from tests.network.backends.bgp.speakers import answers, kill, message, pid, routes, session, speakers
from tests.network.backends.hosts import Stream, reaches, until
from tests.network.backends.test_selftest import block, condition, unblock

VERSIONS = {"4": (4,), "6": (6,), "46": (4, 6)}


@pytest.mark.parametrize("families", [pytest.param("4", marks=pytest.mark.slow), "6", "46"])
def test_nodes_tell_each_other_their_ranges(tmp_path: Path, families: str) -> None:
    with speakers(tmp_path, families=families) as cluster:
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        assert all(reaches(first, second, version) for version in VERSIONS[families])
        assert all(f"blackhole {cidr}" in routes(first) for cidr in first.cidrs)


def test_a_killed_bird_leaves_routes_and_connections_and_is_started_again(tmp_path: Path) -> None:
    with speakers(tmp_path) as cluster:
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        stream = Stream(first, second)
        before = {host.name: (pid(host), routes(host)) for host in cluster.hosts}
        kill(first)
        # The neighbour keeps what it heard, too (RFC 4724).
        assert routes(first) == before[first.name][1]
        until(lambda: pid(first) not in (0, before[first.name][0]) and answers(first), "another BIRD runs")
        until(lambda: session(first, second).is_up, "they speak again")
        assert [routes(host) for host in cluster.hosts] == [before[host.name][1] for host in cluster.hosts]
        stream.close()
        assert stream.longest_s < 0.5


@pytest.mark.slow
def test_a_restarted_agent_finds_its_bird_and_no_session_notices(tmp_path: Path) -> None:
    with speakers(tmp_path) as cluster:
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        before = pid(first), session(first, second).since
        cluster.kill(first)
        assert reaches(first, second)
        first.node["metadata"]["annotations"].pop("network.pilothouse.dev/follows")
        cluster.start(first)
        until(cluster.settled, "it follows again")
        assert (pid(first), session(first, second).since) == before


@pytest.mark.slow
def test_nodes_come_and_go_without_a_word_to_the_other_sessions(tmp_path: Path) -> None:
    with speakers(tmp_path, 3) as cluster:
        first, second, third = cluster.hosts
        later, third.node = third.node, {}
        for host in (first, second):
            cluster.start(host)
        until(cluster.settled, "two follow")
        since = session(first, second).since
        third.node = later
        cluster.start(third)
        cluster.put(third)
        until(lambda: cluster.settled() and reaches(first, third), "all three follow")
        cluster.kill(third)
        cluster.gone(third)
        until(lambda: third.cidrs[0] not in routes(first), "the routes to it go", within_s=3)
        assert session(first, second).since == since
        assert reaches(first, second)


@pytest.mark.slow
def test_a_node_that_has_left_its_tunnel_is_reached_although_what_it_says_does_not_get_through(tmp_path: Path) -> None:
    with speakers(tmp_path) as cluster:
        first, second = cluster.hosts
        cluster.set(backend="VXLAN")
        for host in cluster.hosts:
            cluster.start(host)
        until(lambda: cluster.settled() and reaches(first, second), "both follow, and tunnels lead there")
        second.is_mute = True
        cluster.set(backend="BGP")
        until(lambda: "phv" not in second.ip("link"), "its tunnel is gone")
        assert "phv" in first.ip("link")
        assert all(reaches(first, second) for _ in range(5))


@pytest.mark.slow
def test_open_connections_outlive_the_way_to_bgp_and_back(tmp_path: Path) -> None:
    with speakers(tmp_path) as cluster:
        first, second = cluster.hosts
        cluster.set(backend="Routes")
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        stream = Stream(first, second)
        cluster.set(backend="BGP")
        until(cluster.settled, "both speak")
        until(lambda: "proto 114" not in first.ip("route"), "the other routes are retired")
        before = stream.received
        until(lambda: stream.received > before + 1_000_000, "a megabyte more")
        cluster.set(backend="Routes")
        until(cluster.settled, "both are back")
        until(lambda: not pid(first) and not routes(first), "BIRD is retired")
        stream.close()
        assert stream.longest_s < 1


@pytest.mark.slow
def test_of_two_reflectors_one_may_be_lost(tmp_path: Path) -> None:
    with speakers(tmp_path, 4) as cluster:
        one, other, first, second = cluster.hosts
        for host in (one, other):
            host.node["metadata"]["labels"] = {"reflects": "yes"}
        cluster.set(backend="BGP", bgp={"routeReflectors": {"nodeSelector": {"matchLabels": {"reflects": "yes"}}}, "holdTimeSeconds": 3})
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "all follow")
        assert reaches(first, second)
        with pytest.raises(KeyError):
            session(first, second)
        stream = Stream(first, second)
        one.ip("link", "set", "eth0", "down")
        until(lambda: not session(first, one).is_up, "it is missed")
        assert session(first, other).is_up
        before = stream.received
        until(lambda: stream.received > before + 1_000_000, "a megabyte more")
        stream.close()
        assert stream.longest_s < 0.5
        one.ip("link", "set", "eth0", "up")
        until(lambda: session(first, one).is_up, "it is back", within_s=15)


@pytest.mark.parametrize(
    ("version", "verb", "what"), [(4, "drop", "does not answer"), (6, "drop", "does not answer"), (4, "reject with tcp reset", "refuses")]
)
def test_a_port_that_is_closed_to_bgp_is_named_and_no_session_notices_that_it_is_tried(
    tmp_path: Path, version: int, verb: str, what: str
) -> None:
    with speakers(tmp_path, families=str(version)) as cluster:
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        until(lambda: session(first, second, version).is_up, "they speak")
        since = session(first, second, version).since
        condition(first, "PodNetworkWorks")
        condition(second, "PodNetworkWorks")
        # As of a firewall that lets go on what it knows.
        block(second, f"tcp dport 179 tcp flags & (syn | ack) == syn {verb}")
        said = condition(first, "BGPPortBlocked")
        assert f"n2: {second.addresses[0]} {what} at TCP port 179, by which nodes speak BGP" in said
        assert condition(second, "PodNetworkWorks")
        unblock(second)
        condition(first, "PodNetworkWorks")
        assert session(first, second, version).since == since


def test_nodes_reach_each_other_while_no_node_has_the_labels_of_the_reflectors_which_are_named(tmp_path: Path) -> None:
    with speakers(tmp_path) as cluster:
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        stream = Stream(first, second)
        cluster.set(backend="BGP", bgp={"routeReflectors": {"nodeSelector": {"matchLabels": {"no": "node"}}}})
        message(first, "BGPSessionsDown", "NoRouteReflector")
        assert "no node has the labels of routeReflectors (no=node)" in message(second, "BGPSessionsDown", "NoRouteReflector")
        until(cluster.settled, "both still follow")
        stream.close()
        assert stream.longest_s < 0.5


def test_nodes_without_sessions_say_why_and_who_is_not_reached(tmp_path: Path) -> None:
    with speakers(tmp_path) as cluster:
        first, second = cluster.hosts
        cluster.set(backend="BGP", bgp={"nodeMesh": False})
        for host in cluster.hosts:
            cluster.start(host)
        message(first, "BGPSessionsDown", "NoNodeSessions")
        until(lambda: cluster.said(first).get("waiting") == ["n2"], "it says that it waits")
        assert cluster.said(first)["problem"].startswith("nodeMesh is false, and there are no routeReflectors")
        assert message(first, "NetworkUnavailable", "BackendWorks").endswith("reached by BGP, but not yet those of n2")
        assert not reaches(first, second)
        cluster.set(backend="BGP")
        until(lambda: cluster.settled() and reaches(first, second), "they speak and reach each other")
        message(first, "BGPSessionsDown", "BGPSessionsUp")
