from hypothesis import given
from hypothesis import strategies as st

from pilothouse.cli.apps.difference import carried_over
from pilothouse.model.json import Object

OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner | st.integers(0, 2)),
)


def test_what_somebody_else_has_changed_meanwhile_stays() -> None:
    before = {"replicas": 1, "env": {"A": "1", "B": "2"}, "hosts": ["a"]}
    after = {"replicas": 1, "env": {"A": "1", "C": "3"}, "hosts": ["b"]}
    current = {"replicas": 5, "env": {"A": "9", "B": "2", "D": "4"}, "hosts": ["a"], "port": 80}
    assert carried_over(before, after, current) == {"replicas": 5, "env": {"A": "9", "C": "3", "D": "4"}, "hosts": ["b"], "port": 80}


@given(OBJECTS, OBJECTS)
def test_a_change_of_what_nobody_else_touched_is_made_whole_and_taken_back_whole(before: Object, after: Object) -> None:
    assert carried_over(before, after, before) == after
    assert carried_over(after, before, after) == before
