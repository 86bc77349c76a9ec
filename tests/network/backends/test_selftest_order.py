from pilothouse.network.backends.selftest.order import AT_ONCE, Tried, due

ROUND_S, TICK_S = 60.0, 10.0


def test_new_nodes_come_first_then_those_in_trouble_and_the_others_after_a_minute() -> None:
    tried = {"well": Tried(100), "long-well": Tried(90), "troubled": Tried(105, failures=1), "new": Tried()}
    assert due(tried, 110, ROUND_S) == ["new", "troubled"]
    assert due(tried, 155, ROUND_S) == ["new", "troubled", "long-well"]
    assert due(tried, 165, ROUND_S) == ["new", "troubled", "long-well", "well"]


def test_however_many_are_in_trouble_or_new_each_of_the_others_is_tried_again() -> None:
    now = 1000.0
    tried = {f"troubled-{number}": Tried(now, failures=2) for number in range(40)}
    tried |= {f"well-{number}": Tried(now) for number in range(10)}
    again: set[str] = set()
    for tick in range(20):
        # Nodes that come and go are new each time.
        tried |= {f"new-{number}-{tick}": Tried() for number in range(10)}
        now += TICK_S
        chosen = due(tried, now, ROUND_S)
        assert len(chosen) == AT_ONCE
        again |= {name for name in chosen if name.startswith("well")}
        for name in chosen:
            tried[name].at = now
    assert len(again) == 10


def test_of_those_in_trouble_first_is_tried_who_has_waited_longest() -> None:
    tried = {f"n{number}": Tried(1.0, failures=3) for number in range(12)}
    seen: list[str] = []
    for tick in range(3):
        chosen = due(tried, 10.0 * tick, ROUND_S)
        seen += chosen
        for name in chosen:
            tried[name].at = 2.0 + tick
    assert set(seen) == set(tried)


def test_of_new_ones_first_is_tried_who_came_first() -> None:
    assert due({name: Tried() for name in ("z", "y", "a", "x", "w", "b")}, 0, ROUND_S) == ["z", "y", "a", "x", "w"]
