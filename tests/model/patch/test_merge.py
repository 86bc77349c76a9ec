from typing import Any

import pytest
from hypothesis import given

from pilothouse.model.json import copy, same
from pilothouse.model.patch import PatchError, check_merge_patch, merge_patch
from tests.model.json_values import OBJECTS, VALUES


def specified(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for name, value in patch.items():
        if value is None:
            if name in target:
                del target[name]
        else:
            target[name] = specified(target.get(name), value)
    return target


@given(VALUES, VALUES)
def test_merge_is_what_the_rfc_specifies(document: Any, patch: Any) -> None:
    assert same(merge_patch(document, patch), specified(copy(document), copy(patch)))


@given(OBJECTS, OBJECTS)
def test_the_arguments_stay_as_they_are(document: Any, patch: Any) -> None:
    before = copy(document), copy(patch)
    merge_patch(document, patch)
    assert same([document, patch], list(before))


@given(OBJECTS, OBJECTS)
def test_merging_twice_is_merging_once(document: Any, patch: Any) -> None:
    once = merge_patch(document, patch)
    assert same(merge_patch(once, patch), once)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (None, "Invalid JSON Patch"),
        ([1], "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (5, "error decoding patch: json: cannot unmarshal number into Go value of type map[string]interface {}"),
    ],
)
def test_only_objects_are_patches(patch: Any, message: str) -> None:
    with pytest.raises(PatchError) as caught:
        check_merge_patch(patch)
    assert (caught.value.code, caught.value.message) == (400, message)
    check_merge_patch({})
