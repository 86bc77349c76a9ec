"""How these tests draw."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.engine.apiserver.invariants.objects import OBJECTS

DRAWN = settings(
    deadline=None,
    # Explaining traces every line, and a smaller object takes as many requests as the large one.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
SEEDS = st.integers(0, 2**32 - 1)
PATHS = st.sampled_from(sorted(OBJECTS))
