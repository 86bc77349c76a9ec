"""What the self-test finds and repairs, with real packets between hosts in network namespaces."""

import socket
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.network.backends.hosts import Host, Hosts, hosts, reaches, until

DEGRADED = "PodNetworkDegraded"


def begin(cluster: Hosts, **spec: object) -> tuple[Host, Host]:
    cluster.set(**spec)
    for host in cluster.hosts:
        cluster.start(host)
    first, second = cluster.hosts[:2]
    until(cluster.settled, "all follow")
    until(lambda: reaches(first, second), "a datagram comes through")
    return first, second


def condition(host: Host, reason: str) -> str:
    """The message, once the condition has that reason."""
    until(lambda: host.conditions.get(DEGRADED, {}).get("reason") == reason, f"{reason}: {host.conditions}")
    found = host.conditions[DEGRADED]
    assert found["status"] == ("False" if reason in ("PodNetworkWorks", "PathNarrow") else "True")
    return str(found["message"])


def block(host: Host, rule: str) -> None:
    host.inside(
        "nft",
        f"add table inet fault; add chain inet fault in {{ type filter hook prerouting priority -300; }}; add rule inet fault in {rule}",
    )


def unblock(host: Host) -> None:
    host.inside("nft", "delete table inet fault")


@pytest.mark.parametrize(("backend", "families"), [("Routes", "46"), ("VXLAN", "46"), ("Host", "4")])
def test_a_network_that_works_is_said_to_work(tmp_path: Path, backend: str, families: str) -> None:
    with hosts(tmp_path, families=families) as cluster:
        if backend == "Host":
            # What the network around would do.
            for host, other in (cluster.hosts, reversed(cluster.hosts)):
                host.ip("route", "add", other.cidrs[0], "via", other.addresses[0])
        first, _ = begin(cluster, backend=backend)
        assert condition(first, "PodNetworkWorks") == "the nodes that were tried answer"


def test_a_blocked_tunnel_is_named_with_the_port_and_is_well_again_when_it_is_open(tmp_path: Path) -> None:
    with hosts(tmp_path) as cluster:
        first, second = begin(cluster, backend="VXLAN")
        block(second, "udp dport 8472 drop")
        said = condition(first, "TunnelBlocked")
        assert said == "n2: 192.0.2.2 answers pings, but nothing comes through the tunnel: let UDP port 8472 through between the nodes"
        unblock(second)
        condition(first, "PodNetworkWorks")


def test_a_network_that_does_not_carry_pods_addresses_is_told_from_a_machine_that_is_gone(tmp_path: Path) -> None:
    with hosts(tmp_path) as cluster:
        first, second = begin(cluster)
        block(second, "ip saddr 10.244.0.0/16 drop")
        assert "`ph network set --backend vxlan` wraps them" in condition(first, "PodNetworkBlocked")
        unblock(second)
        condition(first, "PodNetworkWorks")
        second.ip("link", "set", "eth0", "down")
        assert "neither the machine (192.0.2.2) nor its pods' gateway 10.244.2.1 answers" in condition(first, "NodeUnreachable")
        cluster.kill(second)
        cluster.gone(second)
        condition(first, "PodNetworkWorks")


@pytest.mark.parametrize("backend", ["Routes", "VXLAN"])
def test_packets_are_held_to_what_a_narrow_path_carries(tmp_path: Path, backend: str) -> None:
    with hosts(tmp_path) as cluster:
        first, second = begin(cluster, backend=backend)
        condition(first, "PodNetworkWorks")
        # A switch between them carries less than the hosts' links say, and tells nobody.
        block(second, "iifname eth0 meta length > 1400 drop")
        said = condition(first, "PathNarrow")
        overhead = 50 if backend == "VXLAN" else 0
        limit = int(said.split(" bytes")[0].rpartition(" ")[2])
        assert 1400 - overhead - 8 <= limit <= 1400 - overhead
        until(lambda: f"mtu {limit}" in first.ip("route"), "the route says so")
        assert not reaches(first, second, size=1440 - overhead, whole=True)
        assert reaches(first, second, size=limit - 28, whole=True)
        unblock(second)
        condition(first, "PodNetworkWorks")
        until(lambda: "mtu" not in first.ip("route"), "the route is free again")


def test_wrong_checksums_in_a_tunnel_are_repaired(tmp_path: Path) -> None:
    with hosts(tmp_path) as cluster:
        first, second = begin(cluster, backend="VXLAN")
        condition(first, "PodNetworkWorks")
        # A card that is left the checksum and does not make it sends the sum of the pseudo-header alone (RFC 768).
        length = 8 + len(b"pilothouse network probe\n") + 16
        words = [int.from_bytes(IPv4Address(each).packed[part : part + 2]) for each in ("10.244.1.1", "10.244.2.1") for part in (0, 2)]
        total = sum(words) + socket.IPPROTO_UDP + length
        partial = (total & 0xFFFF) + (total >> 16)
        block(second, f"iifname phv-test udp checksum {partial} counter drop")
        until(lambda: "packets 0 " not in second.inside("nft", "list", "table", "inet", "fault"), "a probe without its checksum")
        # The kernel of the sender computes them from now on.
        condition(first, "PodNetworkWorks")
        assert reaches(first, second)


def test_limits_of_a_narrow_path_stay_over_a_restart(tmp_path: Path) -> None:
    with hosts(tmp_path) as cluster:
        first, second = begin(cluster)
        block(second, "iifname eth0 meta length > 1400 drop")
        condition(first, "PathNarrow")
        until(lambda: "mtu" in first.ip("route"), "the route says so")
        before = first.ip("route")
        cluster.kill(first)
        cluster.start(first)
        for _ in range(10):
            assert first.ip("route") == before
            reaches(first, second, within_s=0.1)


def test_a_port_that_is_closed_after_all_was_well_is_noticed(tmp_path: Path) -> None:
    with hosts(tmp_path) as cluster:
        first, second = begin(cluster, backend="VXLAN")
        condition(first, "PodNetworkWorks")
        block(second, "udp dport 8472 drop")
        assert "let UDP port 8472 through" in condition(first, "TunnelBlocked")
