"""Networks and addresses of one family or of both."""

from ipaddress import ip_network

import pytest

from pilothouse.model import networks


def test_a_list_of_networks_is_read_and_shown_in_its_order() -> None:
    found = networks.of("fd00:1::/64, 10.1.0.0/16")
    assert networks.families(found) == ("IPv6", "IPv4")
    assert networks.shown(found) == "fd00:1::/64,10.1.0.0/16"
    assert networks.of("") == ()


@pytest.mark.parametrize("text", ["10.1.0.1/16", "10.1.0.0/16,", "x", "10.1.0.0/33"])
def test_what_is_no_network_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        networks.of(text)


@pytest.mark.parametrize(
    ("one", "other", "overlap", "contains"),
    [
        ("10.0.0.0/8", "10.1.0.0/16", True, True),
        ("10.1.0.0/16", "10.0.0.0/8", True, False),
        ("10.1.0.0/16", "10.2.0.0/16", False, False),
        ("::/0", "10.1.0.0/16", False, False),
        ("fd00::/8", "fd00:1::/64", True, True),
    ],
)
def test_only_networks_of_one_family_meet(one: str, other: str, overlap: bool, contains: bool) -> None:
    first, second = ip_network(one), ip_network(other)
    assert (networks.overlap(first, second), networks.overlap(second, first)) == (overlap, overlap)
    assert networks.contains(first, second) == contains


def test_addresses_come_in_the_order_of_the_families() -> None:
    assert networks.in_order(["2001:db8::1", "192.0.2.1"], ("IPv4", "IPv6")) == ("192.0.2.1", "2001:db8::1")
    assert networks.in_order(["192.0.2.1", "2001:db8::1"], ("IPv6",)) == ("2001:db8::1", "192.0.2.1")


def test_an_ipv6_address_stands_in_brackets_before_its_port() -> None:
    assert (networks.with_port("fd00::1", 443), networks.with_port("10.0.0.1", "443")) == ("[fd00::1]:443", "10.0.0.1:443")


def test_families_of_addresses_are_named_once_in_their_order() -> None:
    assert networks.families_of(["fd00::1", "192.0.2.1", "fd00::2"]) == ("IPv6", "IPv4")
