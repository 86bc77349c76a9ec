import json
from ipaddress import ip_address, ip_network

import pytest

from pilothouse.model.cluster_network import VTEP, filled
from pilothouse.network.backends.links import Link
from pilothouse.network.backends.seam import Peer, View
from pilothouse.network.backends.table import Route
from pilothouse.network.backends.vxlan.plan import Ends, Setting, announced, plan

SETTING = Setting(7, 8472)
OWN = Ends("phv-x", "02:00:00:00:00:01", ip_address("192.0.2.1"), SETTING)
SPEC = filled({"backend": "VXLAN", "vxlan": {"vni": 7}})


def says(mac: str, vni: object = 7, port: object = 8472) -> str:
    return json.dumps({"mac": mac, "vni": vni, "port": port, "address": "192.0.2.9"})


def peer(number: int, said: str, *, name: str = "", through: str = "", host: str = "") -> Peer:
    name = name or f"n{number}"
    node = {"metadata": {"name": name, "annotations": {VTEP: said} if said else {}}}
    cidrs = (ip_network(f"10.244.{number}.0/24"), ip_network(f"fd00:10:244:{number}::/64"))
    return Peer(name, cidrs, (ip_address(host or f"192.0.2.{number}"),), through or name, node)


def view(*peers: Peer, **vxlan: object) -> View:
    return View(None, {each.name: each for each in peers}, {**SPEC, "vxlan": {**SPEC["vxlan"], **vxlan}})


def test_a_node_gets_routes_a_neighbour_for_each_family_and_one_forwarding_entry() -> None:
    wanted = plan(view(peer(2, says("02:00:00:00:00:02"))), OWN, {}, [])
    assert wanted.routes == {"n2": [Route("10.244.2.0/24", "10.244.2.1", "phv-x"), Route("fd00:10:244:2::/64", "fe80::ff:fe00:2", "phv-x")]}
    assert wanted.neighbours == {"phv-x": dict.fromkeys(("10.244.2.1", "fe80::ff:fe00:2"), "02:00:00:00:00:02")}
    assert wanted.forwarding == {"phv-x": {"02:00:00:00:00:02": "192.0.2.2"}}


def test_a_node_within_another_machine_is_behind_the_tunnel_of_its_first_node() -> None:
    inner = peer(3, says("02:00:00:00:00:03"), through="n2", host="192.0.2.2")
    wanted = plan(view(peer(2, says("02:00:00:00:00:02")), inner), OWN, {}, [])
    assert wanted.routes["n3"][0] == Route("10.244.3.0/24", "10.244.2.1", "phv-x")
    assert wanted.forwarding == {"phv-x": {"02:00:00:00:00:02": "192.0.2.2"}}


def test_nobody_gets_the_packets_of_another_node_by_saying_its_mac_address() -> None:
    wanted = plan(view(peer(2, says("02:00:00:00:00:02")), peer(3, says("02:00:00:00:00:02")), peer(4, says(OWN.mac))), OWN, {}, [])
    assert wanted.forwarding == {"phv-x": {"02:00:00:00:00:02": "192.0.2.2"}}
    assert "which is that of n2" in wanted.problems["n3"]
    assert "which is that of this node" in wanted.problems["n4"]
    assert set(wanted.routes) == {"n2"}


def test_a_node_with_another_number_is_sent_to_by_the_older_link_until_it_has_changed() -> None:
    wanted = plan(view(peer(2, says("02:00:00:00:00:02", vni=6))), OWN, {Setting(6, 8472): "phw-x"}, [])
    assert wanted.waiting == {"n2"}
    assert wanted.routes["n2"][0].device == "phw-x"
    assert plan(view(peer(2, says("02:00:00:00:00:02", vni=6))), OWN, {}, []).routes == {}


@pytest.mark.parametrize("on_link", [True, False])
def test_direct_routing_is_for_hosts_on_a_shared_link_with_addresses_of_both_families(on_link: bool) -> None:
    network = ip_network("192.0.2.0/24" if on_link else "198.51.100.0/24")
    links = [Link("eth0", 1500, "", "", (), (network,), is_up=True)]
    one_family = Peer("n2", (ip_network("10.244.2.0/24"),), (ip_address("192.0.2.2"),), "n2", peer(2, says("02:00:00:00:00:02")).node)
    wanted = plan(view(one_family, directRouting=True), OWN, {}, links)
    assert wanted.routes["n2"] == [Route("10.244.2.0/24", "192.0.2.2") if on_link else Route("10.244.2.0/24", "10.244.2.1", "phv-x")]
    both = plan(view(peer(2, says("02:00:00:00:00:02")), directRouting=True), OWN, {}, links)
    assert both.routes["n2"][0].device == "phv-x"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "null",
        "{",
        "[" * 5000,
        says("02:00:00:00:00:02; reboot"),
        says("02:00:00:00:00:02\n"),
        says("02:00:00:00:00:02", vni="7"),
        says("02:00:00:00:00:02", port=None),
    ],
    ids=["nothing", "null", "half", "deep", "words", "line", "text", "none"],
)
def test_what_is_no_end_of_a_tunnel_is_none(said: str) -> None:
    assert announced(peer(2, said).node) is None
