import random
import time
from ipaddress import IPv4Network, IPv6Network
from itertools import islice

import pytest

from pilothouse.engine.controllers.ipam.ranges import PodRanges

CLUSTER = IPv4Network("10.1.0.0/20")
FIRST = IPv4Network("10.1.0.0/22")


def networks(*texts: str) -> list[IPv4Network]:
    return [IPv4Network(text) for text in texts]


def test_a_node_gets_the_next_range_that_nobody_has() -> None:
    assert PodRanges(CLUSTER, 22).choose("n", networks("10.1.0.0/22", "10.1.8.0/22")) == IPv4Network("10.1.4.0/22")


def test_a_range_that_was_given_back_is_given_last() -> None:
    ranges = PodRanges(CLUSTER, 22)
    assert ranges.choose("n", (), after=IPv4Network("10.1.4.0/22")) == IPv4Network("10.1.8.0/22")
    assert ranges.choose("n", networks("10.1.8.0/22", "10.1.12.0/22"), after=IPv4Network("10.1.4.0/22")) == FIRST


def test_a_reserved_range_is_its_nodes_alone() -> None:
    ranges = PodRanges(CLUSTER, 22, (("first", FIRST),))
    assert ranges.choose("other", ()) == IPv4Network("10.1.4.0/22")
    assert ranges.choose("first", (), after=IPv4Network("10.1.8.0/22")) == FIRST
    others = networks("10.1.4.0/22", "10.1.8.0/22", "10.1.12.0/22")
    assert ranges.choose("other", others) is None
    assert ranges.choose("first", others) == FIRST


@pytest.mark.parametrize("taken", ["10.1.0.0/20", "10.0.0.0/8"])
def test_a_wider_range_that_somebody_has_leaves_nothing(taken: str) -> None:
    assert PodRanges(CLUSTER, 22).choose("n", networks(taken)) is None


def test_a_cluster_of_one_range_has_one_node() -> None:
    ranges = PodRanges(CLUSTER, 20)
    assert ranges.choose("a", ()) == CLUSTER
    assert ranges.choose("b", [CLUSTER]) is None


def test_a_narrower_range_that_somebody_has_is_stepped_over() -> None:
    assert PodRanges(CLUSTER, 22).choose("n", networks("10.1.1.0/24")) == IPv4Network("10.1.4.0/22")


def test_ranges_of_ipv6_are_found_without_counting_them() -> None:
    ranges = PodRanges(IPv6Network("fd00::/8"), 64)
    taken = [IPv6Network("fd00::/64"), IPv6Network("fd00:0:0:1::/64")]
    assert ranges.choose("n", [*taken, CLUSTER]) == IPv6Network("fd00:0:0:2::/64")


def naive(ranges: PodRanges, taken: list[IPv4Network], after: IPv4Network | None) -> IPv4Network | None:
    """One range after the other, each held against all."""
    all_of = list(CLUSTER.subnets(new_prefix=ranges.prefix))
    first = 0 if after is None else all_of.index(after) + 1
    in_turn = [*all_of[first:], *all_of[:first]]
    return next((each for each in in_turn if not any(each.overlaps(other) for other in taken)), None)


def test_it_finds_what_trying_one_after_the_other_finds() -> None:
    chance, ranges = random.Random(5), PodRanges(CLUSTER, 24)
    some = [network for prefix in (22, 24, 26) for network in CLUSTER.subnets(new_prefix=prefix)]
    for _ in range(500):
        taken = [*chance.sample(some, chance.randint(0, 20)), IPv4Network("10.2.0.0/16")]
        after = chance.choice([None, *CLUSTER.subnets(new_prefix=24)])
        assert ranges.choose("n", taken, after) == naive(ranges, taken, after)


def test_the_first_choice_after_a_start_costs_little_in_a_large_cluster() -> None:
    """Nothing is known of the range given last: all that are taken are in the way."""
    ranges = PodRanges(IPv4Network("10.0.0.0/8"), 24)
    taken = list(islice(IPv4Network("10.0.0.0/8").subnets(new_prefix=24), 5000))
    took = []
    for _ in range(5):
        began = time.thread_time()
        assert ranges.choose("n", taken) == IPv4Network("10.19.136.0/24")
        took.append(time.thread_time() - began)
    # A comparison of each with each takes seconds.
    assert min(took) < 0.1
