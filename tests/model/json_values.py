"""JSON values for property tests."""

from hypothesis import strategies as st

KEYS = st.sampled_from(["a", "b", "c/d", "e~f", "0", ""])
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "y"]) | st.sampled_from([0.5, 1.0])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
