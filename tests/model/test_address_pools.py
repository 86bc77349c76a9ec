"""Which pool an address is of."""

from ipaddress import ip_address

import pytest

from pilothouse.model import address_pools
from tests.engine.controllers.loadbalancer.objects import pool

POOLS = address_pools.read(
    [
        pool("wide", "192.0.2.64-192.0.2.127", "fd00:2::/120"),
        pool("two", "192.0.2.0/28", "192.0.2.200-192.0.2.210"),
        pool("careful", "198.51.100.0/24", avoidBuggyIPs=True),
        pool("none"),
    ],
    (),
)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.64", "wide"),
        ("192.0.2.127", "wide"),
        ("192.0.2.128", ""),
        ("192.0.2.15", "two"),
        ("192.0.2.16", ""),
        ("192.0.2.210", "two"),
        ("192.0.1.255", ""),
        ("fd00:2::ff", "wide"),
        ("fd00:2::100", ""),
        ("::1", ""),
        ("198.51.100.1", "careful"),
        ("198.51.100.255", ""),
    ],
)
def test_an_address_is_of_the_pool_that_has_a_range_with_it(address: str, name: str) -> None:
    found = POOLS.of(ip_address(address))
    assert (found.name if found is not None else "") == name
    assert address_pools.Pools().of(ip_address(address)) is None


@pytest.mark.parametrize(
    "text", ["127.0.0.1/32", "0.0.0.0/32", "169.254.1.1/32", "224.0.0.1/32", "255.255.255.255/32", "::1/128", "fe80::/64", "ff02::1/128"]
)
def test_a_pool_of_addresses_that_reach_no_machine_is_left_out(text: str) -> None:
    found = address_pools.read([pool("wrong", "192.0.2.0/28", text), pool("right", "203.0.113.0/24")], ())
    assert [each.name for each in found.usable] == ["right"]
    assert "whose addresses reach no machine" in found.problems["wrong"]
