"""Places for a throw-away instance that nobody uses."""

from bench.rig.instance import free_networks, free_ports, routed

ROUTES = [
    "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0",
    "br0\t0000F40A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
]


def test_the_default_route_takes_no_network() -> None:
    assert [str(network) for network in routed(ROUTES)] == ["10.244.0.0/16"]


def test_ports_and_networks_differ() -> None:
    assert len(set(free_ports(4))) == 4
    assert len(set(free_networks(2))) == 2
