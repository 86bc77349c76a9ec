from contextlib import suppress
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.json import copy, same
from pilothouse.model.patch import PatchError, check_json_patch, json_patch
from tests.model.json_values import OBJECTS, VALUES

DOCUMENT = {"data": {"a": "1", "b": "2"}, "list": [1, 2, 3]}


def paths(value: Any, prefix: str = "") -> list[str]:
    """The paths of all values below the root."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, each in entries:
        path = f"{prefix}/{str(key).replace('~', '~0').replace('/', '~1')}"
        found += [path, *paths(each, path)]
    return found


@st.composite
def cases(draw: st.DrawFn) -> tuple[Any, list[dict[str, Any]]]:
    """A document and operations that the RFC allows on it."""
    document = draw(OBJECTS)
    existing = paths(document)
    operations: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(["add", "remove", "replace", "copy", "move", "test"]))
        path = draw(st.sampled_from([*existing, "/new"])) if name == "add" or not existing else draw(st.sampled_from(existing))
        operation: dict[str, Any] = {"op": name if existing else "add", "path": path}
        if operation["op"] in ("copy", "move"):
            operation |= {"from": draw(st.sampled_from(existing)), "path": "/new"}
        if operation["op"] in ("add", "replace", "test"):
            operation["value"] = draw(VALUES)
        operations.append(operation)
    return document, operations


@given(cases())
def test_what_the_rfc_allows_gives_what_another_library_gives(case: tuple[Any, list[dict[str, Any]]]) -> None:
    document, operations = case
    try:
        expected = jsonpatch.apply_patch(copy(document), operations)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
        return
    try:
        found = json_patch(document, operations)
    except PatchError as error:
        assert "test failed" in error.message  # noqa: PT017 -- the oracle holds 1 and true for equal
        return
    assert same(found, expected)


@given(OBJECTS, st.data())
def test_a_patch_leaves_its_arguments_alone(document: Any, data: st.DataObject) -> None:
    before = copy(document)
    operations = [{"op": "add", "path": "/new", "value": data.draw(VALUES)}, {"op": "add", "path": "/new/x", "value": 1}]
    kept = copy(operations)
    with suppress(PatchError):
        json_patch(document, operations)
    assert same(document, before)
    assert same(operations, kept)


def applied(*operations: dict[str, Any]) -> Any:
    return json_patch(DOCUMENT, list(operations))


def test_replacing_what_is_missing_adds_it() -> None:
    assert applied({"op": "replace", "path": "/data/z", "value": "9"})["data"]["z"] == "9"


def test_copying_what_is_missing_copies_null() -> None:
    assert applied({"op": "copy", "from": "/data/z", "path": "/data/c"})["data"] == {"a": "1", "b": "2", "c": None}


def test_a_path_without_leading_slash_loses_its_first_part() -> None:
    assert applied({"op": "add", "path": "data/x", "value": 1})["x"] == 1


def test_negative_indexes_count_from_the_end() -> None:
    assert applied({"op": "remove", "path": "/list/-1"})["list"] == [1, 2]
    assert applied({"op": "replace", "path": "/list/-3", "value": 0})["list"] == [0, 2, 3]
    assert applied({"op": "add", "path": "/list/-1", "value": 4})["list"] == [1, 2, 3, 4]


def test_the_whole_document_can_be_replaced() -> None:
    assert applied({"op": "replace", "path": "", "value": {"x": 1}}) == {"x": 1}


def test_testing_for_null_holds_for_what_is_missing() -> None:
    assert applied({"op": "test", "path": "/data/z", "value": None}) == DOCUMENT


def test_no_patch_changes_nothing() -> None:
    assert json_patch(DOCUMENT, None) == DOCUMENT


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/none/x", "value": 1},
        {"op": "add", "path": "", "value": 1},
        {"op": "add", "path": "/list/9", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "add", "path": "/data/a/x", "value": 1},
        {"op": "remove", "path": "/data/z"},
        {"op": "remove", "path": "/list/-"},
        {"op": "remove", "path": "/list/-4"},
        {"op": "replace", "path": "", "value": 1},
        {"op": "replace", "path": "/list/3", "value": 1},
        {"op": "move", "path": "/data/c"},
        {"op": "move", "from": "/data/z", "path": "/data/c"},
        {"op": "test", "path": "/data/a", "value": "2"},
        {"op": "test", "path": "/list/0", "value": True},
        {"op": "test", "path": "/data/z", "value": 1},
        {"op": "Add", "path": "/data/c", "value": 1},
        {"path": "/data/c"},
        {"op": "add"},
    ],
)
def test_an_operation_that_does_not_apply_is_unprocessable(operation: dict[str, Any]) -> None:
    with pytest.raises(PatchError) as caught:
        applied(operation)
    assert caught.value.code == 422


def test_copies_cannot_double_a_document_for_ever() -> None:
    doubling = [{"op": "copy", "from": "/list", "path": "/list/-"}] * 100
    with pytest.raises(PatchError, match="accumulated size increase of copy"):
        json_patch(DOCUMENT, doubling)


def test_members_that_no_operation_has_are_reported() -> None:
    assert check_json_patch([{"op": "add", "path": "/a", "value": 1, "note": 1}, {"op": "add", "path": "/a", "x": 1}]) == [
        "[0].note",
        "[1].x",
    ]


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({}, "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        (5, "error decoding patch: json: cannot unmarshal number into Go value of type []handlers.jsonPatchOp"),
        (["x"], "error decoding patch: json: cannot unmarshal string into Go value of type handlers.jsonPatchOp"),
        ([{"op": 1}], "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string"),
    ],
)
def test_what_is_no_list_of_operations_is_a_bad_request(patch: Any, message: str) -> None:
    with pytest.raises(PatchError) as caught:
        check_json_patch(patch)
    assert (caught.value.code, caught.value.message) == (400, message)
