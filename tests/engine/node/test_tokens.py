"""When the tokens of pods are renewed."""

import pytest

from pilothouse.engine.node.pod.sources import Token

DAY_S = 24 * 3600.0


@pytest.mark.parametrize(("life_s", "after_s"), [(1000.0, 800.0), (DAY_S, 0.8 * DAY_S), (365 * DAY_S, DAY_S)])
def test_a_token_is_renewed_in_time_and_once_a_day_at_the_least(life_s: float, after_s: float) -> None:
    assert Token("t", 5.0, 5.0 + life_s).refresh_at == 5.0 + after_s
