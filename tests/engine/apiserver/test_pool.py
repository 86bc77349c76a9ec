"""Addresses and ports are never given twice."""

from pilothouse.engine.apiserver.services.pool import Pool, Span


def test_all_numbers_are_given_before_the_pool_is_empty() -> None:
    pool, given = Pool([Span(range(10), 4)]), set()
    for index in range(10):
        number = pool.pick()
        assert number is not None
        pool.hold(number, f"object-{index}", f"owner-{index}")
        given.add(number)
    assert given == set(range(10))
    assert pool.pick() is None


def test_the_low_numbers_are_kept_for_those_who_ask() -> None:
    pool = Pool([Span(range(100), 50)])
    assert all((number := pool.pick()) is not None and number >= 50 for _ in range(20))


def test_a_reservation_keeps_others_away_until_it_is_given_up() -> None:
    pool = Pool([Span(range(1))])
    pool.reserve(0, "a")
    assert pool.pick() is None
    assert not pool.is_free(0, "b")
    pool.unreserve(0, "a")
    assert pool.pick() == 0
