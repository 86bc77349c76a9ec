"""What a definition makes of its instances: columns, warnings, replicas. Pure."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pilothouse.engine.apiserver.crds.columns import column_of
from pilothouse.engine.apiserver.crds.finalizers import finalizer_warnings
from pilothouse.engine.apiserver.crds.jsonpath import MOST, find
from pilothouse.engine.apiserver.crds.naming import status_of
from pilothouse.engine.apiserver.crds.scales import scale_causes
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import brief
from tests.engine.apiserver.kinds.test_crd import BROKEN_BUNDLE, converting, definition

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
STAMP = "2026-05-04T12:00:00Z"


@pytest.mark.parametrize(
    ("type", "value", "expected"),
    [
        ("string", ["a", "b"], '["a","b"]'),
        ("string", True, "true"),
        ("string", 5, "5"),
        ("integer", 1.9, 1),
        ("integer", "1", None),
        ("integer", True, None),
        ("number", 1.5, 1.5),
        ("number", 2, 2),
        ("boolean", "true", None),
        ("date", "2026-05-04T11:00:00Z", "60m"),
        ("date", "yesterday", "<invalid>"),
        ("date", "", "<unknown>"),
        ("date", 5, None),
    ],
)
def test_a_cell_has_the_type_of_its_column(type: str, value: Any, expected: Any) -> None:
    assert column_of({"spec": {"a": value}}, {"type": type, "jsonPath": ".spec.a"}, NOW) == expected


def test_a_cell_shows_the_first_of_many() -> None:
    assert column_of({"a": [{"b": "x"}, {"b": "y"}]}, {"type": "string", "jsonPath": ".a[*].b"}, NOW) == "x"


NEST = {
    "name": "n",
    "items": [{"k": "a", "n": 1, "on": True}, {"k": "b", "n": 2, "in": {"k": "c"}}, {"k": "d", "n": 3}],
    "x.y": {"a": 1, "b": 2},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".name", ["n"]),
        (".", [NEST]),
        (".items[0].k", ["a"]),
        (".items[-1].k", ["d"]),
        (".items[7].k", []),
        (".items[*].k", ["a", "b", "d"]),
        (".items[0:2].k", ["a", "b"]),
        (".items[::2].k", ["a", "d"]),
        (".items[0,2].k", ["a", "d"]),
        (".x\\.y.a", [1]),
        ("['x.y']['a','b']", [1, 2]),
        (".x\\.y.*", [1, 2]),
        ("..k", ["a", "b", "c", "d"]),
        (".items..k", ["a", "b", "c", "d"]),
        ('.items[?(@.k=="b")].n', [2]),
        (".items[?(@.k!='b')].n", [1, 3]),
        (".items[?(@.n>1)].k", ["b", "d"]),
        (".items[?(@.n<=2)].k", ["a", "b"]),
        (".items[?(@.on==true)].k", ["a"]),
        (".items[?(@.in)].k", ["b"]),
        (".items[?(@.in.k=='c')].k", ["b"]),
        (".items[?(@.k==2)].k", []),
        (".items[", []),
        (".items[1.5]", []),
    ],
)
def test_paths_of_columns(path: str, expected: list[Any]) -> None:
    assert find(NEST, path) == expected


def test_a_path_that_goes_everywhere_again_and_again_ends() -> None:
    deep: Object = {}
    for _ in range(300):
        deep = {"a": deep, "b": deep}
    assert len(find(deep, "..*..*..*")) <= MOST


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("example.com/mine", []),
        ("orphan", []),
        ("mine", ["name to"]),
        ("mine.example.com", ["name including a path (/) to"]),
    ],
)
def test_a_finalizer_that_others_might_use_is_warned_of(name: str, expected: list[str]) -> None:
    obj = {"metadata": {"finalizers": [name]}}
    avoid = "avoid accidental conflicts with other finalizer writers"
    assert finalizer_warnings(obj) == [
        f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer {each} {avoid}' for each in expected
    ]
    assert finalizer_warnings(obj, obj) == []


SCALE = {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n", "labelSelectorPath": ".status.s"}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        ({}, []),
        ({"spec": {"n": 3}, "status": {"n": 2, "s": "a=b"}}, []),
        ({"spec": {"n": -1}, "status": {"n": 2**31}}, [".spec.n Invalid", ".status.n Invalid"]),
        ({"spec": {"n": "three"}}, [".spec.n Invalid"]),
        ({"spec": {"n": 1.5}}, [".spec.n Invalid"]),
        ({"spec": {"n": True}}, [".spec.n Invalid"]),
        ({"spec": []}, [".spec.n Invalid"]),
        ({"status": {"s": {}}}, [".status.s Invalid"]),
    ],
)
def test_replicas_are_numbers_and_their_selector_is_text(obj: Object, expected: list[str]) -> None:
    assert brief(scale_causes(obj, SCALE)) == expected


def test_a_write_to_the_status_is_not_blamed_for_the_spec() -> None:
    assert scale_causes({"spec": {"n": -1}}, SCALE, of_status=True) == []


def test_what_stands_in_the_place_of_replicas_is_named() -> None:
    (cause,) = scale_causes({"spec": {"n": "three"}}, SCALE)
    assert cause.message == "Invalid value: 0: .spec.n accessor error: three is of the type string, expected int64"


def test_all_short_names_that_are_taken_are_named() -> None:
    mine, other = definition(), definition()
    mine["spec"]["names"]["shortNames"] = ["a", "b"]
    other["status"] = {"acceptedNames": {"plural": "others", "kind": "Other", "shortNames": ["a", "b"]}}
    (accepted, _) = status_of(mine, [other], STAMP)["conditions"]
    assert accepted["message"] == '["a" is already in use, "b" is already in use]'


def test_a_definition_whose_webhook_cannot_be_trusted_is_not_established() -> None:
    conditions = status_of(converting(BROKEN_BUNDLE), [], STAMP)["conditions"]
    assert [(each["type"], each["status"], each["reason"]) for each in conditions] == [
        ("NamesAccepted", "True", "NoConflicts"),
        ("Established", "False", "InvalidCABundle"),
    ]
