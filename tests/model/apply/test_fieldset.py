"""The algebra of field sets, against sets of paths."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.apply import fieldset
from pilothouse.model.apply.fieldset import FieldSet, difference, intersection, ordered, paths, union, without

NAMES = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
PATHS = st.sets(st.lists(NAMES, min_size=1, max_size=3).map(tuple), max_size=8)


def made(of: set[tuple[str, ...]]) -> FieldSet:
    found: FieldSet = {}
    for path in of:
        one: FieldSet = {}
        for name in reversed(path):
            one = {name: one}
        found = union(found, one)
    return found


def listed(found: FieldSet, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    own = {(*prefix, name) for name, below in found.items() if name != fieldset.SELF and fieldset.is_member(below)}
    return own.union(*(listed(below, (*prefix, name)) for name, below in found.items() if name != fieldset.SELF))


@given(PATHS, PATHS)
def test_sets_behave_like_sets_of_paths(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> None:
    assert listed(made(left)) == left
    assert listed(union(made(left), made(right))) == left | right
    assert listed(difference(made(left), made(right))) == left - right
    assert listed(intersection(made(left), made(right))) == left & right
    beneath = {path for path in left if any(path[: len(root)] == root for root in right)}
    assert listed(without(made(left), made(right))) == left - beneath


@given(PATHS, PATHS)
def test_equal_sets_are_equal_values(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> None:
    assert (made(left) == made(right)) == (left == right)
    assert difference(union(made(left), made(right)), made(right)) == made(left - right)


def test_they_are_stored_in_order_and_shown_as_paths() -> None:
    found: FieldSet = {'v:"z"': {}, 'k:{"port":80,"protocol":"TCP"}': {"f:name": {}, ".": {}}, "f:b": {}, "f:a": {"f:c": {}}}
    assert list(ordered(found)) == ["f:a", "f:b", 'k:{"port":80,"protocol":"TCP"}', 'v:"z"']
    assert list(paths(found)) == [".a.c", ".b", '[port=80,protocol="TCP"]', '[port=80,protocol="TCP"].name', '[="z"]']


def test_what_is_no_set_is_known() -> None:
    bad: list[Any] = [None, [], {"f:a": None}, {"x": {}}, {"f:a": {"": {}}}]
    assert [fieldset.is_well_formed(each) for each in bad] == [False] * 5
    assert fieldset.is_well_formed({"f:a": {".": {}, "k:{}": {}}})
