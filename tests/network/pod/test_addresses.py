import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.network.pod.addresses import AddressPool, Exhausted, Lease, link_name, mac_of, parse_alias


def test_the_first_pod_gets_the_address_after_the_gateway() -> None:
    assert AddressPool("10.244.7.0/24").lease("t", "c", "eth0").address == "10.244.7.2"


def test_an_address_given_back_rests_until_the_others_were_used() -> None:
    pool = AddressPool("10.244.7.0/29")
    first = pool.lease("t", "a", "eth0")
    pool.free(first)
    assert [pool.lease("t", str(number), "eth0").address for number in range(5)] == [f"10.244.7.{n}" for n in (3, 4, 5, 6, 2)]


def test_a_full_pool_says_so() -> None:
    pool = AddressPool("10.244.7.0/30")
    pool.lease("t", "a", "eth0")
    with pytest.raises(Exhausted, match="all 1 pod addresses of this node are in use"):
        pool.lease("t", "b", "eth0")


def test_leases_of_before_are_kept() -> None:
    before = AddressPool("10.244.7.0/24").lease("t", "a", "eth0")
    pool = AddressPool("10.244.7.0/24", [before])
    assert pool.of("a", "eth0") == before
    assert pool.of("a", "eth1") is None
    assert pool.lease("t", "b", "eth0").address == "10.244.7.3"


@given(st.lists(st.booleans(), max_size=60))
def test_no_two_pods_ever_share_an_address(steps: list[bool]) -> None:
    pool = AddressPool("10.244.7.0/28")
    held: list[Lease] = []
    for number, takes in enumerate(steps):
        if takes and len(held) < 13:
            held.append(pool.lease("t", str(number), "eth0"))
        elif held:
            pool.free(held.pop(0))
        assert len({lease.address for lease in held}) == len(held)


def test_a_lease_survives_as_the_alias_of_its_link() -> None:
    lease = Lease("10.244.7.2", "ph0123456789ab", "c" * 64, "eth0")
    assert parse_alias(lease.link, lease.alias) == lease
    assert len(lease.alias) < 256, "the kernel takes no longer one"
    assert parse_alias("veth0", "") is None


def test_link_names_fit_and_differ_between_instances() -> None:
    names = {link_name(instance, container, "eth0") for instance in "ab" for container in "cd"}
    assert len(names) == 4
    assert all(len(name) <= 15 for name in names)


def test_the_hardware_address_follows_from_the_address() -> None:
    assert mac_of("10.244.7.2") == "0a:58:0a:f4:07:02"
