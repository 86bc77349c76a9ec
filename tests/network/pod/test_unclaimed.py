"""Leases whose DEL never came."""

from pilothouse.network.pod.addresses import Lease
from pilothouse.network.pod.unclaimed import Unclaimed

ONE, TWO = Lease(("10.0.0.2",), "ph1", "one", "eth0"), Lease(("10.0.0.3",), "ph2", "two", "eth0")


def test_a_lease_goes_once_no_sandbox_has_had_it_for_longer_than_one_takes_to_be_made() -> None:
    unclaimed = Unclaimed(patience_s=100)
    assert unclaimed.due([ONE, TWO], {"two"}, 0) == []
    assert unclaimed.due([ONE, TWO], {"two"}, 99) == []
    assert unclaimed.due([ONE, TWO], {"two"}, 100) == [ONE]


def test_what_has_not_gone_is_named_again() -> None:
    unclaimed = Unclaimed(patience_s=100)
    unclaimed.due([ONE], set(), 0)
    assert unclaimed.due([ONE], set(), 100) == unclaimed.due([ONE], set(), 160) == [ONE]


def test_a_sandbox_that_comes_into_the_list_keeps_its_lease() -> None:
    unclaimed = Unclaimed(patience_s=100)
    unclaimed.due([ONE], set(), 0)
    assert unclaimed.due([ONE], {"one"}, 99) == []
    assert unclaimed.due([ONE], set(), 150) == []
    assert unclaimed.due([ONE], set(), 250) == [ONE]
