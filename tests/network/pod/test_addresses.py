import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.network.pod.addresses import AddressPool, Exhausted, Lease, link_name, parse_alias
from pilothouse.network.pod.family import mac_of


def test_the_first_pod_gets_the_address_after_the_gateway() -> None:
    assert AddressPool(["10.244.7.0/24"]).lease("t", "c", "eth0").address == "10.244.7.2"


def test_an_address_given_back_rests_until_the_others_were_used() -> None:
    pool = AddressPool(["10.244.7.0/29"])
    first = pool.lease("t", "a", "eth0")
    pool.free(first)
    assert [pool.lease("t", str(number), "eth0").address for number in range(5)] == [f"10.244.7.{n}" for n in (3, 4, 5, 6, 2)]


def test_a_full_pool_says_so() -> None:
    pool = AddressPool(["10.244.7.0/30"])
    pool.lease("t", "a", "eth0")
    with pytest.raises(Exhausted, match=r"all 1 IPv4 pod addresses of this node are in use \(range 10.244.7.0/30\)"):
        pool.lease("t", "b", "eth0")


def test_leases_of_before_are_kept() -> None:
    before = AddressPool(["10.244.7.0/24"]).lease("t", "a", "eth0")
    pool = AddressPool(["10.244.7.0/24"], [before])
    assert pool.of("a", "eth0") == before
    assert pool.of("a", "eth1") is None
    assert pool.lease("t", "b", "eth0").address == "10.244.7.3"


@given(st.lists(st.booleans(), max_size=60))
def test_no_two_pods_ever_share_an_address(steps: list[bool]) -> None:
    pool = AddressPool(["10.244.7.0/28"])
    held: list[Lease] = []
    for number, takes in enumerate(steps):
        if takes and len(held) < 13:
            held.append(pool.lease("t", str(number), "eth0"))
        elif held:
            pool.free(held.pop(0))
        assert len({lease.address for lease in held}) == len(held)


@pytest.mark.parametrize("addresses", [("10.244.7.2",), ("fd00::2",), ("10.244.7.2", "fd00:1234:5678:9abc:def0:1234:5678:9abc")])
def test_a_lease_survives_as_the_alias_of_its_link(addresses: tuple[str, ...]) -> None:
    lease = Lease(addresses, "ph0123456789ab", "c" * 64, "eth0")
    assert parse_alias(lease.link, lease.alias) == lease
    assert len(lease.alias) < 256, "the kernel takes no longer one"
    assert parse_alias("veth0", "") is None
    assert parse_alias("veth0", "pod somebody else's words") is None


def test_link_names_fit_and_differ_between_instances() -> None:
    names = {link_name(instance, container, "eth0") for instance in "ab" for container in "cd"}
    assert len(names) == 4
    assert all(len(name) <= 15 for name in names)


def test_the_hardware_address_follows_from_the_address() -> None:
    assert mac_of("10.244.7.2") == "0a:58:0a:f4:07:02"
    assert mac_of("fd00::a:b") == "0a:58:00:0a:00:0b"


def test_a_pod_gets_an_address_of_each_family_the_primary_first() -> None:
    pool = AddressPool(["fd00:1::/64", "10.244.7.0/24"])
    assert pool.lease("t", "c", "eth0").addresses == ("fd00:1::2", "10.244.7.2")


def test_a_family_without_addresses_takes_none_of_the_other() -> None:
    pool = AddressPool(["10.244.7.0/24", "fd00::/126"])
    for name in "ab":
        pool.lease("t", name, "eth0")
    with pytest.raises(Exhausted, match="all 2 IPv6 pod addresses"):
        pool.lease("t", "c", "eth0")
    pool.free(pool.leases[0])
    assert pool.lease("t", "c", "eth0").addresses == ("10.244.7.4", "fd00::2")


def test_a_range_that_was_added_is_used_when_the_first_is_full() -> None:
    pool = AddressPool(["10.244.7.0/30", "10.250.0.0/29"])
    assert [pool.lease("t", str(number), "eth0").address for number in range(6)] == ["10.244.7.2", *(f"10.250.0.{n}" for n in range(2, 7))]
    with pytest.raises(Exhausted, match=r"all 6 .*range 10.244.7.0/30, 10.250.0.0/29"):
        pool.lease("t", "more", "eth0")


def test_a_lease_of_a_range_that_is_gone_takes_no_room_of_another() -> None:
    before = Lease(("10.1.0.2",), "ph1", "old", "eth0")
    pool = AddressPool(["10.244.7.0/30"], [before])
    assert pool.lease("t", "c", "eth0").address == "10.244.7.2"
    pool.free(before)
    with pytest.raises(Exhausted):
        pool.lease("t", "d", "eth0")


def test_a_large_range_costs_no_more_than_a_small_one() -> None:
    pool = AddressPool(["fd00::/48"])
    leases = [pool.lease("t", str(number), "eth0") for number in range(1000)]
    for lease in leases:
        pool.free(lease)
    assert (len(pool), pool.families[0].left) == (0, pool.families[0].size)
    assert pool.lease("t", "last", "eth0").address == "fd00::3ea"


@pytest.mark.parametrize(("cidr", "pods", "is_short"), [("10.0.0.0/24", 243, False), ("10.0.0.0/24", 244, True), ("10.0.0.0/29", 4, False)])
def test_few_addresses_are_ten_or_a_tenth(cidr: str, pods: int, is_short: bool) -> None:
    pool = AddressPool([cidr])
    for number in range(pods):
        pool.lease("t", str(number), "eth0")
    assert pool.families[0].is_short is is_short
