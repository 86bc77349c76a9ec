"""Nodes and a router outside, with real BIRDs: what the router is told, and what of it nodes believe."""

from pathlib import Path
from typing import Any

import pytest

from pilothouse.model.json import Object
from tests.network.backends.bgp.speakers import router, routes, session, speakers, told
from tests.network.backends.hosts import Host, Hosts, bird, reaches, until


def peer(name: str = "rack", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "metallb-system", "uid": name}
    return {
        "kind": "BGPPeer",
        "metadata": metadata,
        "spec": {"myASN": 64512, "peerASN": 64600, "peerAddress": "192.0.2.100", "holdTime": "3s", **spec},
    }


def metallb(kind: str, name: str, **spec: Any) -> Object:
    return {"kind": kind, "metadata": {"name": name, "namespace": "metallb-system", "uid": name}, "spec": spec}


def service(name: str, address: str, *, policy: str = "Cluster") -> Object:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": policy, "ports": [{"port": 80}]}
    metadata = {"name": name, "namespace": "default", "uid": name}
    return {"kind": "Service", "metadata": metadata, "spec": spec, "status": {"loadBalancer": {"ingress": [{"ip": address}]}}}


def endpoints(name: str, *hosts: Host) -> Object:
    metadata = {"name": name, "namespace": "default", "uid": f"{name}-slice", "labels": {"kubernetes.io/service-name": name}}
    found = [{"addresses": [host.pod()], "nodeName": host.name, "conditions": {"ready": True}} for host in hosts]
    return {"kind": "EndpointSlice", "metadata": metadata, "addressType": "IPv4", "endpoints": found}


def started(cluster: Hosts) -> None:
    for host in cluster.hosts:
        cluster.start(host)


def condition(host: Host) -> str:
    return str(host.conditions.get("BGPSessionsDown", {}).get("message", ""))


def test_a_router_is_told_of_pods_and_load_balancers_and_is_believed_what_was_asked_for(tmp_path: Path) -> None:
    offered = "".join(f"route {each} blackhole; " for each in ("198.51.100.0/24", "203.0.113.0/24", "10.244.99.0/24", "0.0.0.0/0"))
    with speakers(tmp_path) as cluster, router(tmp_path, cluster, extra=f"protocol static {{ ipv4; {offered} }}") as socket:
        first, second = cluster.hosts
        cluster.set(backend="BGP", bgp={"acceptedNetworks": ["198.51.100.0/24"], "announce": {"clusterIPs": ["10.96.0.0/16"]}})
        cluster.say(peer())
        cluster.say(metallb("IPAddressPool", "public", addresses=["203.0.113.64/26"]))
        cluster.say(metallb("Community", "names", communities=[{"name": "quiet", "value": "64512:7"}]))
        cluster.say(metallb("BGPAdvertisement", "all", communities=["quiet", "large:64512:1:2"]))
        cluster.say(service("anywhere", "203.0.113.70"))
        cluster.say(endpoints("anywhere", first))
        cluster.say(service("here", "203.0.113.71", policy="Local"))
        cluster.say(endpoints("here", second))
        cluster.say(service("nobody", "203.0.113.72"))
        started(cluster)
        wanted = {*first.cidrs, *second.cidrs, "10.96.0.0/16", "203.0.113.70/32", "203.0.113.71/32"}
        until(lambda: told(socket).keys() == wanted, f"the router hears of {wanted}")
        until(lambda: len([line for line in told(socket)["203.0.113.70/32"] if "BGP.next_hop" in line]) == 2, "both nodes announce it")
        found = told(socket)
        assert [line for line in found["203.0.113.71/32"] if "BGP.next_hop" in line] == ["BGP.next_hop: 192.0.2.2"]
        assert any(line == "BGP.community: (64512,7)" for line in found["203.0.113.70/32"])
        assert any(line == "BGP.large_community: (64512, 1, 2)" for line in found["203.0.113.70/32"])
        until(lambda: "198.51.100.0/24 via 192.0.2.100" in routes(first), "what was asked for is believed")
        assert not any(each in routes(first) for each in ("203.0.113.0", "10.244.99.0", "default"))
        cluster.say(endpoints("here", first))
        until(lambda: "BGP.next_hop: 192.0.2.1" in told(socket).get("203.0.113.71/32", []), "the other node announces it")


def test_a_router_that_is_believed_of_everything_takes_no_way_to_nodes_pods_or_services(tmp_path: Path) -> None:
    kept = ("192.0.2.2/32", "192.0.2.0/25", "128.0.0.0/1", "10.96.0.0/25", "10.244.99.0/24", "10.244.2.0/25")
    offered = "".join(f"route {each} blackhole; " for each in (*kept, "198.51.100.0/24", "0.0.0.0/0"))
    with speakers(tmp_path) as cluster, router(tmp_path, cluster, extra=f"protocol static {{ ipv4; {offered} }}"):
        first, second = cluster.hosts
        cluster.set(backend="BGP", bgp={"acceptedNetworks": ["0.0.0.0/0"]})
        cluster.say({"kind": "ServiceCIDR", "metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.96.0.0/16"]}})
        cluster.say(peer())
        started(cluster)
        until(lambda: "198.51.100.0/24 via 192.0.2.100" in routes(first), "the rest is believed")
        until(cluster.settled, "both follow")
        assert "default via 192.0.2.100" in routes(first)
        assert f"{second.cidrs[0]} via 192.0.2.2 " in routes(first)
        destinations = {line.split()[0] for line in routes(first).splitlines()}
        assert not destinations & {each.removesuffix("/32") for each in kept}
        assert reaches(first, second)
        first.ip("route", "add", "default", "via", "192.0.2.250")
        until(lambda: "default" not in routes(first), "the host's own default route counts")
        first.ip("route", "delete", "default", "via", "192.0.2.250")
        until(lambda: "default via 192.0.2.100" in routes(first), "the router's counts again")


@pytest.mark.parametrize("families", ["46"])
def test_a_router_hears_of_both_families(tmp_path: Path, families: str) -> None:
    with speakers(tmp_path, families=families) as cluster, router(tmp_path, cluster) as socket:
        cluster.say(peer())
        cluster.say(peer("rack6", peerAddress="2001:db8::100"))
        started(cluster)
        until(lambda: told(socket).keys() == {cidr for host in cluster.hosts for cidr in host.cidrs}, "all ranges are heard")


def test_a_password_counts_and_is_shown_nowhere(tmp_path: Path) -> None:
    secret = {"kind": "Secret", "metadata": {"name": "rack", "namespace": "metallb-system"}, "data": {"password": "aHVudGVyMg=="}}
    with speakers(tmp_path) as cluster, router(tmp_path, cluster, inside='password "hunter2";') as socket:
        cluster.say(peer(passwordSecret={"name": "rack"}))
        cluster.say(secret)
        started(cluster)
        until(lambda: first_range(cluster) in told(socket), "they speak")
        first = cluster.hosts[0]
        shown = (first.state / "log").read_text() + str(first.node) + str(first.conditions) + (bird(first)._folder / "bird.log").read_text()
        assert "hunter2" not in shown
        assert (bird(first)._folder / "bird.conf").stat().st_mode & 0o777 == 0o600


def test_neither_another_port_between_nodes_nor_a_node_less_touches_the_session_with_a_router(tmp_path: Path) -> None:
    extra = "protocol static { ipv4; route 198.51.100.0/24 blackhole; }"
    with speakers(tmp_path) as cluster, router(tmp_path, cluster, extra=extra):
        first, second = cluster.hosts
        wanted = {"acceptedNetworks": ["0.0.0.0/0"]}
        cluster.set(backend="BGP", bgp=wanted)
        cluster.say(peer())
        started(cluster)
        until(lambda: cluster.settled() and "198.51.100.0/24" in routes(first), "they speak with each other and the router")
        since = session(first, "rack", kind="router").since
        cluster.set(backend="BGP", bgp={**wanted, "listenPort": 1790})
        until(lambda: ":1790" in first.inside("ss", "-Htn", "state", "established"), "nodes speak at the other port")
        until(lambda: cluster.settled() and reaches(first, second), "nodes reach each other")
        cluster.gone(second)
        until(lambda: second.cidrs[0] not in routes(first), "the other node is forgotten")
        found = session(first, "rack", kind="router")
        assert (found.is_up, found.since) == (True, since)
        assert "198.51.100.0/24" in routes(first)


def first_range(cluster: Hosts) -> str:
    return cluster.hosts[0].cidrs[0]


@pytest.mark.slow
def test_a_router_in_another_as_than_stated_is_named_with_the_cause(tmp_path: Path) -> None:
    with speakers(tmp_path) as cluster, router(tmp_path, cluster, as_number=64601):
        cluster.say(peer())
        started(cluster)
        first = cluster.hosts[0]
        until(lambda: "rack at 192.0.2.100" in condition(first) and "AS number" in condition(first), "the condition says it", within_s=12)
        assert first.conditions["BGPSessionsDown"]["status"] == "True"
        until(cluster.settled, "nodes reach each other all the same")


@pytest.mark.slow
def test_a_router_behind_a_blocked_port_is_named(tmp_path: Path) -> None:
    with speakers(tmp_path) as cluster, router(tmp_path, cluster):
        first = cluster.hosts[0]
        for host in cluster.hosts:
            host.inside("nft", "add table ip t")
            for chain, way in (("out", "daddr"), ("in", "saddr")):
                hook = {"out": "output", "in": "input"}[chain]
                host.inside("nft", f"add chain ip t {chain} {{ type filter hook {hook} priority 0; }}")
                host.inside("nft", f"add rule ip t {chain} ip {way} 192.0.2.100 tcp dport 179 drop")
        cluster.say(peer())
        started(cluster)
        until(lambda: "TCP port 179 may be blocked" in condition(first), "the condition says it", within_s=15)
        first.inside("nft", "delete table ip t")
        until(lambda: "all 2 BGP sessions are up" in condition(first), "it is over", within_s=15)


def test_what_is_not_carried_out_has_no_session(tmp_path: Path) -> None:
    with speakers(tmp_path) as cluster, router(tmp_path, cluster) as socket:
        cluster.say(peer(bfdProfile="quick"))
        cluster.say(peer("plain", nodeSelectors=[{"matchLabels": {"edge": "yes"}}]))
        cluster.hosts[1].node["metadata"]["labels"] = {"edge": "yes"}
        started(cluster)
        until(lambda: cluster.hosts[1].cidrs[0] in told(socket), "the one that is selected speaks")
        assert cluster.hosts[0].cidrs[0] not in told(socket)
