"""How often a server looks whether somebody has taken too long."""

import pytest

from pilothouse.wire.server import sweep_pause

NEVER = float("inf")


@pytest.mark.parametrize(
    ("left_s", "pause_s"),
    [
        pytest.param(NEVER, 2.0, id="nothing to time out"),
        pytest.param(90.0, 2.0, id="a connection that rests"),
        pytest.param(1.2, 1.2, id="a deadline that is near"),
        pytest.param(0.1, 0.5, id="one that is very near"),
        pytest.param(-3.0, 0.5, id="one that has just passed"),
    ],
)
def test_it_looks_when_something_may_be_due(left_s: float, pause_s: float) -> None:
    assert sweep_pause(left_s, 2.0) == pause_s


def test_no_deadline_is_missed_by_more_than_a_quarter_of_the_shortest_limit() -> None:
    """Deadlines are set at any moment, and never nearer than that limit."""
    shortest_s = 2.0
    for number in range(400):
        set_at = number * 0.01
        deadline, now = set_at + shortest_s, 0.0
        while now <= deadline:
            known = deadline if now >= set_at else NEVER
            now += sweep_pause(known - now, shortest_s)
        assert now - deadline <= shortest_s / 4 + 0.001


def test_a_very_short_limit_does_not_make_it_spin() -> None:
    assert sweep_pause(0.0, 0.001) == 0.01
    assert sweep_pause(0.0, 0.02) == 0.01
