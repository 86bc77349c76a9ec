from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from pilothouse.linux.packet_size import PacketSize
from pilothouse.model.cluster_network import filled
from pilothouse.network.backends.links import Link
from pilothouse.network.backends.packets import between_nodes, of_pods
from pilothouse.network.backends.seam import Peer, View

OWN = Peer("own", (ip_network("10.1.0.0/24"), ip_network("fd00::/64")), (ip_address("192.0.2.1"),), "own", {})
LINK = Link("eth0", 1500, "", "", (ip_address("192.0.2.1"),), (ip_network("192.0.2.0/24"),), is_up=True)


@pytest.mark.parametrize(("mtu", "size"), [(0, 1450), (1400, 1400), (9000, 1450)])
def test_packets_between_nodes_are_as_large_as_the_link_less_the_overhead_or_as_set(mtu: int, size: int) -> None:
    view = View(OWN, {}, filled({"mtu": mtu}))
    assert between_nodes(view, [LINK], lambda version: 50 if version == 4 else 70) == {4: size, 6: size}


@pytest.mark.parametrize(
    ("set_to", "has_overhead", "uplink", "size"),
    [
        (0, False, 1420, 0),
        (1300, False, 1420, 1300),
        (0, True, 1500, 1450),
        (0, True, 1420, 1420),
        (1300, True, 1500, 1300),
        (9000, True, 0, 1450),
    ],
)
def test_pods_links_are_held_to_what_tunnels_and_the_way_out_carry(set_to: int, has_overhead: bool, uplink: int, size: int) -> None:
    assert of_pods(set_to, {4: 1450}, uplink, has_overhead=has_overhead) == size


def test_the_packet_size_is_known_after_a_restart_and_changes_are_told_once(tmp_path: Path) -> None:
    told: list[int] = []
    size = PacketSize(tmp_path / "network" / "packet-size")
    size.on_change(lambda: told.append(size.bytes))
    size.set(1450)
    size.set(1450)
    assert told == [1450]
    assert PacketSize(tmp_path / "network" / "packet-size").bytes == 1450
    (tmp_path / "network" / "packet-size").write_text("nonsense")
    assert PacketSize(tmp_path / "network" / "packet-size").bytes == 0
