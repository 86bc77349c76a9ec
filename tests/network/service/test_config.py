"""Where node ports answer, and which families there are."""

from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.family import IPV4, IPV6

PRESENT = ("127.0.0.1", "192.0.2.1", "10.1.2.3", "::1", "2001:db8::1", "fe80::1")


def config(*node_port_addresses: str, local: tuple[str, ...] = ("10.244.0.0/24",)) -> ServiceProxyConfig:
    return ServiceProxyConfig(instance="t", node="here", local_cidrs=local, node_port_addresses=node_port_addresses)


def test_addresses_are_taken_as_they_are_and_networks_mean_addresses_of_this_machine() -> None:
    assert config("127.0.0.1", "203.0.113.9").node_addresses(PRESENT) == ("127.0.0.1", "203.0.113.9")
    assert config("192.0.2.0/24", "2001:db8::/32").node_addresses(PRESENT) == ("192.0.2.1", "2001:db8::1")
    assert config("0.0.0.0/0").node_addresses(PRESENT) == ("127.0.0.1", "192.0.2.1", "10.1.2.3")
    assert config("::/0").node_addresses(PRESENT) == ("2001:db8::1", "fe80::1"), "nothing of ::1 leaves the loopback interface"
    assert config("10.0.0.0/8", "10.1.2.3").node_addresses(PRESENT) == ("10.1.2.3",)
    assert (config("127.0.0.1").names_networks, config("127.0.0.0/8").names_networks) == (False, True)


def test_families_are_those_of_the_nodes_pods() -> None:
    assert [each.family for each in config().families] == [IPV4]
    assert [each.family for each in config(local=("fd00::/64",)).families] == [IPV6]
    assert [each.family for each in config(local=("fd00::/64", "10.244.0.0/24")).families] == [IPV4, IPV6]


def test_addresses_of_pods_and_services_of_any_family_are_the_clusters_to_give() -> None:
    both = ServiceProxyConfig(
        instance="t", node="here", local_cidrs=("10.244.0.0/24", "fd00:1::/64"), service_cidrs=("10.96.0.0/12", "fd00:2::/108")
    )
    given = ("10.244.0.9", "fd00:1::9", "10.96.3.1", "fd00:2::1")
    assert [both.is_given_out(each) for each in (*given, "192.0.2.1", "2001:db8::1")] == [True] * 4 + [False] * 2
