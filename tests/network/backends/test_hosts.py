"""Real packets between hosts in network namespaces, with the back ends' real processes."""

import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from pilothouse.linux.netns import run_at
from pilothouse.model.cluster_network import VTEP
from pilothouse.network.backends.config import BackendConfig
from pilothouse.network.backends.teardown import teardown
from tests.network.backends.hosts import ECHO, Host, Hosts, Stream, hosts, open_in, reaches, run, until

VERSIONS = {"4": (4,), "6": (6,), "46": (4, 6)}


@pytest.mark.parametrize("families", ["4", "6", "46"])
def test_pods_of_two_hosts_reach_each_other(tmp_path: Path, families: str) -> None:
    with hosts(tmp_path, families=families) as cluster:
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        for backend in ("Routes", "VXLAN"):
            cluster.set(backend=backend)
            until(cluster.settled, f"both follow {backend}")
            assert all(reaches(first, second, version) for version in VERSIONS[families])
            assert bool(second.ip("link", "show", "type", "vxlan")) is (backend == "VXLAN")


@pytest.mark.parametrize("version", [4, 6])
def test_open_connections_outlive_every_change_of_back_end(tmp_path: Path, version: int) -> None:
    with hosts(tmp_path, families=str(version)) as cluster:
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        until(lambda: reaches(first, second, version), "a datagram comes through")
        stream = Stream(first, second, version)
        other: list[dict[str, Any]] = [{"vxlan": {"vni": 9, "port": 4789}}, {"vxlan": {"directRouting": True}}]
        for spec in ({"backend": "VXLAN"}, *({"backend": "VXLAN", **each} for each in other), {"backend": "Routes"}, {"backend": "VXLAN"}):
            cluster.set(**spec)
            until(cluster.settled, f"both follow {spec}")
            before = stream.received
            until(lambda before=before: stream.received > before + 1_000_000, f"a megabyte more by {spec}")
        cluster.set(backend="Routes")
        until(cluster.settled, "both follow back")
        until(lambda: not any("phv" in host.ip("link") for host in cluster.hosts), "the tunnels are retired")
        stream.close()
        assert stream.longest_s < 1


def test_where_a_tunnel_was_is_not_said_any_more_when_it_is_gone(tmp_path: Path) -> None:
    with hosts(tmp_path) as cluster:
        first, second = cluster.hosts
        cluster.set(backend="VXLAN")
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        cluster.set(backend="Routes")
        until(lambda: not any("phv" in host.ip("link") for host in cluster.hosts), "the tunnels are retired")
        until(lambda: not any(VTEP in host.node["metadata"]["annotations"] for host in cluster.hosts), "nobody says that there is one")
        # Who changes first sends into no tunnel whose other end is not there.
        second.is_mute = True
        cluster.set(backend="VXLAN")
        until(lambda: cluster.said(first).get("waiting") == ["n2"], "the first waits for the second")
        assert reaches(first, second)


def test_large_packets_are_told_how_large_they_may_be_in_a_tunnel(tmp_path: Path) -> None:
    with hosts(tmp_path) as cluster:
        cluster.set(backend="VXLAN")
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        until(lambda: reaches(first, second), "a datagram comes through")
        assert reaches(first, second, size=1450 - 28, whole=True)
        assert not reaches(first, second, size=1450 - 27, whole=True)
        assert reaches(first, second, size=4000)


def test_killed_agents_leave_the_data_path_and_come_back_without_a_gap(tmp_path: Path) -> None:
    with hosts(tmp_path) as cluster:
        cluster.set(backend="VXLAN")
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        until(lambda: reaches(first, second), "a datagram comes through")
        stream = Stream(first, second)
        before = [host.ip("-details", "link", "show", "phv-test") for host in cluster.hosts]
        for host in cluster.hosts:
            cluster.kill(host)
        assert reaches(first, second)
        for host in cluster.hosts:
            host.node["metadata"]["annotations"].pop("network.pilothouse.dev/follows")
            cluster.start(host)
        until(cluster.settled, "both follow again")
        assert [host.ip("-details", "link", "show", "phv-test") for host in cluster.hosts] == before
        stream.close()
        assert stream.longest_s < 0.5


def test_a_node_that_is_lost_and_comes_back_under_another_address_is_reached_there(tmp_path: Path) -> None:
    with hosts(tmp_path, 3) as cluster:
        cluster.set(backend="VXLAN")
        first, second, third = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "all follow")
        until(lambda: reaches(first, second) and reaches(third, second), "datagrams come through")
        node = second.node
        cluster.kill(second)
        cluster.gone(second)
        until(lambda: second.cidrs[0] not in first.ip("route"), "its route is gone")
        until(lambda: "192.0.2.2" not in first.inside("bridge", "fdb", "show", "dev", "phv-test"), "its forwarding entry is gone")
        second.ip("address", "delete", "192.0.2.2/24", "dev", "eth0")
        second.ip("address", "add", "192.0.2.77/24", "dev", "eth0")
        second.node = node | {"status": node["status"] | {"addresses": [{"type": "InternalIP", "address": "192.0.2.77"}]}}
        second.node["metadata"]["annotations"] = {}
        cluster.put(second)
        cluster.start(second)
        until(lambda: reaches(first, second) and reaches(second, third), "it is reached under its new address")


@pytest.mark.parametrize("backend", ["Routes", "VXLAN"])
def test_a_partition_between_hosts_heals(tmp_path: Path, backend: str) -> None:
    with hosts(tmp_path) as cluster:
        cluster.set(backend=backend)
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        until(lambda: reaches(first, second), "a datagram comes through")
        # The kernel forgets routes over a link that goes down.
        second.ip("link", "set", "eth0", "down")
        assert not reaches(first, second, within_s=0.2)
        second.ip("link", "set", "eth0", "up")
        until(lambda: reaches(first, second, within_s=0.1), "the partition heals")


@pytest.mark.parametrize(
    ("backend", "commands"),
    [
        ("Routes", ["ip route delete RANGE", "ip route replace unreachable RANGE proto 114"]),
        (
            "VXLAN",
            [
                "ip route delete RANGE",
                "bridge fdb delete MAC dev phv-test self",
                "bridge fdb replace MAC dev phv-test dst 192.0.2.99 self permanent",
                "ip neighbour delete GATEWAY dev phv-test",
                "ip address flush dev phv-test",
                "ip link set phv-test down",
                "ip link delete phv-test",
            ],
        ),
    ],
)
def test_what_somebody_takes_away_or_changes_is_put_back_without_any_news(tmp_path: Path, backend: str, commands: list[str]) -> None:
    with hosts(tmp_path) as cluster:
        cluster.set(backend=backend)
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        until(lambda: reaches(first, second), "a datagram comes through")
        mac = json.loads(second.node["metadata"]["annotations"].get(VTEP, "{}")).get("mac", "")
        what = {"RANGE": second.cidrs[0], "GATEWAY": "10.244.2.1", "MAC": mac}
        before = in_kernel(first, backend)
        for command in commands:
            # Each fails where there is nothing to be taken away.
            first.inside(*(what.get(word, word) for word in command.split()))
            until(lambda: in_kernel(first, backend) == before, f"all is as it was before: {command}")
        until(lambda: reaches(first, second), "a datagram comes through")


def in_kernel(host: Host, backend: str) -> list[str]:
    """Its routes to other nodes and, with tunnels, their links and entries; without times and counters."""
    found = [host.ip("route", "show", "proto", "115" if backend == "VXLAN" else "114")]
    if backend == "VXLAN" and "phv-test" in host.ip("link"):
        found += [host.ip("-brief", *kind, "show", "dev", "phv-test") for kind in (("link",), ("address",), ("neighbour",))]
        found.append(host.inside("bridge", "fdb", "show", "dev", "phv-test"))
    return found


def test_a_tunnel_of_another_program_with_the_same_number_is_named_and_the_way_before_stays(tmp_path: Path) -> None:
    with hosts(tmp_path) as cluster:
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        first.ip("link", "add", "flannel.1", "type", "vxlan", "id", "4114", "dstport", "8472", "local", "192.0.2.1", "nolearning")
        cluster.set(backend="VXLAN")
        until(lambda: first.conditions.get("NetworkUnavailable", {}).get("status") == "True", "the condition says so")
        said = first.conditions["NetworkUnavailable"]["message"]
        assert "VNI 4114 and port 8472 are those of a tunnel that another program has" in said
        assert reaches(first, second)
        cluster.set(backend="VXLAN", vxlan={"vni": 4115})
        until(cluster.settled, "both follow with another number")
        assert reaches(first, second)


def test_nodes_that_cannot_be_reached_the_new_way_stay_reached_the_old_one(tmp_path: Path) -> None:
    with hosts(tmp_path, 3) as cluster:
        cluster.set(backend="VXLAN")
        first, second, third = cluster.hosts
        # The third host is behind a router, for which the wire's bridge stands.
        run("ip", "-n", f"{cluster.prefix}w", "address", "add", "192.0.2.254/24", "dev", "wire0")
        run("ip", "-n", f"{cluster.prefix}w", "address", "add", "198.51.100.254/24", "dev", "wire0")
        run("ip", "netns", "exec", f"{cluster.prefix}w", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        third.ip("address", "replace", "198.51.100.3/24", "dev", "eth0")
        third.ip("address", "delete", "192.0.2.3/24", "dev", "eth0")
        third.ip("route", "add", "192.0.2.0/24", "via", "198.51.100.254")
        for host in (first, second):
            host.ip("route", "add", "198.51.100.0/24", "via", "192.0.2.254")
        third.node["status"]["addresses"] = [{"type": "InternalIP", "address": "198.51.100.3"}]
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "all follow")
        until(lambda: reaches(first, third) and reaches(third, second), "tunnels lead over the router")
        cluster.set(backend="Routes")
        until(lambda: cluster.said(first).get("waiting") == ["n3"], "the first waits for the third")
        until(lambda: cluster.said(second).get("waiting") == ["n3"], "the second waits for the third")
        assert "proto 114" in first.ip("route", "show", second.cidrs[0])
        assert reaches(first, second)
        assert reaches(first, third)
        assert reaches(third, second)
        cluster.set(backend="VXLAN", vxlan={"directRouting": True})
        until(cluster.settled, "all follow")
        assert "dev eth0" in first.ip("route", "show", second.cidrs[0])
        assert "dev phv-test" in first.ip("route", "show", third.cidrs[0])
        assert reaches(third, first)


def test_nothing_is_left_when_all_is_taken_away(tmp_path: Path) -> None:
    with hosts(tmp_path, families="46") as cluster:
        first, second = cluster.hosts
        # Of another instance, whatever its version means by it.
        first.ip("route", "add", "unreachable", "10.99.0.0/24", "proto", "115")
        before = [first.ip("-json", family, "route", "show", "proto", "115") for family in ("-4", "-6")]
        cluster.set(backend="VXLAN")
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        cluster.kill(first)
        config = BackendConfig(instance="test", node="n1", cluster_cidrs=("10.244.0.0/16", "fd00:10:244::/56"), state=tmp_path)
        first.ip("route", "add", "10.244.99.0/24", "via", second.addresses[0], "proto", "99")
        run_at(f"/run/netns/{first.netns}", lambda: teardown(config))
        assert [first.ip("-json", family, "route", "show", "proto", "115") for family in ("-4", "-6")] == before
        assert "phv" not in first.ip("link")
        assert "10.244.99.0/24" in first.ip("route")


def asks_from_outside(cluster: Hosts, host: Host, port: int) -> bool:
    """A datagram from a machine on the hosts' link that is no node, and back."""
    with open_in(f"{cluster.prefix}w", socket.AF_INET) as here:
        here.settimeout(1)
        here.connect((host.addresses[0], port))
        here.send(b"from outside")
        try:
            return here.recv(100) == b"from outside"
        except OSError:
            return False


@pytest.mark.parametrize("backend", ["Routes", "VXLAN"])
def test_hosts_that_drop_what_comes_by_another_way_reach_pods_and_node_ports(tmp_path: Path, backend: str) -> None:
    with hosts(tmp_path, strict=True) as cluster:
        cluster.set(backend=backend)
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        until(lambda: reaches(first, second) and reaches(second, first), "datagrams come through")
        # As the service proxy leads a node port, or a load balancer's address on a port, to a pod of another node.
        run("ip", "-n", f"{cluster.prefix}w", "address", "add", "192.0.2.100/24", "dev", "wire0")
        first.inside(
            "nft",
            "add table ip way; add chain ip way in { type nat hook prerouting priority -100; }; "
            "add chain ip way out { type nat hook postrouting priority 100; }; "
            f"add rule ip way in iifname eth0 udp dport 30007 dnat to {second.pod()}:{ECHO}; "
            "add rule ip way out ct status dnat masquerade",
        )
        assert asks_from_outside(cluster, first, 30007)
        said = first.conditions["NetworkUnavailable"]["message"]
        assert "set net.ipv4.conf.eth0.rp_filter to 2 before a change" in said


def test_a_tunnel_of_hosts_that_drop_what_comes_by_another_way_takes_all_and_is_set_so_again(tmp_path: Path) -> None:
    with hosts(tmp_path, strict=True) as cluster:
        cluster.set(backend="VXLAN")
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(lambda: cluster.settled() and reaches(first, second), "both follow, and tunnels lead there")
        # As some distributions do when a link has come.
        first.inside("sysctl", "-qw", "net.ipv4.conf.phv-test.rp_filter=1")
        until(lambda: first.inside("sysctl", "-n", "net.ipv4.conf.phv-test.rp_filter").strip() == "2", "it is as it was")
        # The second one goes on by the tunnel, since it does not hear of the change; the first one takes what comes by it.
        assert second.process is not None
        second.process.send_signal(signal.SIGSTOP)
        try:
            second.inside("sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=2")
            cluster.set(backend="Routes")
            until(lambda: "proto 114" in first.ip("route"), "the first leads past the tunnel")
            assert reaches(first, second)
            # What the condition says.
            second.inside("sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=1")
            assert not reaches(first, second)
        finally:
            second.process.send_signal(signal.SIGCONT)
