"""Who comes first for an address."""

from collections import Counter
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.network.announce.ranking import Ranking

ADDRESS = ip_address("192.0.2.1")
NAMES = [f"n{number}" for number in range(14)]


def in_order(names: frozenset[str]) -> list[str]:
    ranking, left, found = Ranking(), set(names), []
    while left:
        found += ranking.first(ADDRESS, frozenset(left))[:1]
        left.discard(found[-1])
    return found


def test_each_of_many_nodes_comes_first_for_its_part_of_the_addresses() -> None:
    ranking, names = Ranking(), frozenset(f"node-{number}" for number in range(10))
    ranked = [ranking.first(ADDRESS + number, names)[:2] for number in range(2000)]
    for place in (0, 1):
        counts = Counter(each[place] for each in ranked)
        assert len(counts) == 10
        assert max(counts.values()) < 300
    # Who goes leaves his addresses to all others.
    assert len({second for first, second in ranked if first == "node-0"}) == 9


@given(st.lists(st.tuples(st.frozensets(st.sampled_from(NAMES)), st.frozensets(st.sampled_from(NAMES), max_size=3)), max_size=12))
def test_the_first_two_are_the_same_whatever_came_before(changes: list[tuple[frozenset[str], frozenset[str]]]) -> None:
    ranking = Ranking()
    order = in_order(frozenset(NAMES))
    for candidates, passed_over in changes:
        wanted = [name for name in order if name in candidates - passed_over]
        assert ranking.first(ADDRESS, candidates, passed_over)[:2] == wanted[:2]


def test_what_nobody_has_any_more_is_forgotten() -> None:
    ranking = Ranking()
    ranking.first(ADDRESS, frozenset(NAMES))
    ranking.keep(())
    assert not ranking._known
