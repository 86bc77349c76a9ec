"""Events in the shapes of both API groups."""

import pytest

from pilothouse.engine.apiserver.kinds.events import EVENT, EVENT_V1, from_stored, to_stored
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import NOW, brief, changed, created, named, refusals, updated

ABOUT = {"kind": "Pod", "name": "x", "namespace": "default"}
NEW = named(
    regarding=ABOUT,
    note="text",
    reason="Why",
    type="Normal",
    action="Do",
    eventTime="2026-05-04T11:59:00.000000Z",
    reportingController="example.com/c",
    reportingInstance="i",
)


def test_both_shapes_hold_the_same() -> None:
    stored = to_stored(NEW)
    assert (stored["involvedObject"], stored["message"], stored["reportingComponent"]) == (ABOUT, "text", "example.com/c")
    shown = from_stored(created(EVENT_V1, stored))
    assert shown.items() >= {name: value for name, value in NEW.items() if name != "metadata"}.items()
    assert shown["deprecatedSource"] == {}


def test_an_old_event_shows_its_empty_fields() -> None:
    made = created(EVENT, named(involvedObject=ABOUT, reason="Why", message="text", type="Normal"))
    assert made.items() >= {"eventTime": None, "firstTimestamp": None, "source": {}, "reportingComponent": ""}.items()


def test_an_event_lives_in_the_namespace_of_its_object() -> None:
    assert refusals(EVENT, named(involvedObject=ABOUT | {"namespace": "other"})) == ["involvedObject.namespace Invalid"]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("action", "", ["action Required"]),
        ("eventTime", None, ["eventTime Required"]),
        ("type", "Strange", ["type Invalid"]),
        ("reason", "x" * 129, ["reason Invalid"]),
        ("deprecatedCount", 3, ["count Invalid"]),
        ("series", {"count": 1, "lastObservedTime": "2026-05-04T11:59:00.000000Z"}, ["series.count Invalid"]),
        ("reportingController", "", ["reportingController Required", "reportingController Invalid", "reportingController Invalid"]),
    ],
)
def test_new_events_are_complete(path: str, value: object, expected: list[str]) -> None:
    assert refusals(EVENT_V1, to_stored(changed(NEW, path, value))) == expected


def test_texts_of_events_are_measured_in_bytes() -> None:
    assert refusals(EVENT_V1, to_stored(changed(NEW, "reason", "ä" * 65))) == ["reason Invalid"]
    assert refusals(EVENT_V1, to_stored(changed(NEW, "note", "ä" * 513))) == ["message Invalid"]


def test_only_a_changed_series_is_looked_at() -> None:
    old = created(EVENT_V1, to_stored(NEW | {"series": {"count": 1}}))
    assert EVENT_V1.validate_update(old, old) == []
    new = changed(old, "series", {"count": 0})
    assert brief(EVENT_V1.validate_update(new, old)) == ["series.count Invalid", "series.lastObservedTime Required"]


def test_an_event_of_the_core_group_is_judged_as_an_event_first() -> None:
    wrong = created(EVENT, changed(to_stored(NEW), "reportingComponent", "a b"))
    wrong["metadata"]["name"] = "a/b"
    assert brief(EVENT.validate(wrong)) == ["reportingController Invalid"]


def test_new_events_do_not_change() -> None:
    old = created(EVENT_V1, to_stored(NEW))
    new = updated(EVENT_V1, old, changed(old, "reason", "Other"))
    assert brief(EVENT_V1.validate_update(new, old)) == ["reason Invalid", "reason Invalid"]
    assert EVENT.validate_update(new, old) == []


def test_events_are_selected_by_their_object() -> None:
    stored = created(EVENT_V1, to_stored(NEW))
    assert EVENT.selectable(stored)["involvedObject.name"] == EVENT_V1.selectable(stored)["regarding.name"] == "x"


@pytest.mark.parametrize(
    ("fields", "last", "count"),
    [
        ({}, "<unknown>", 1),
        ({"lastTimestamp": "2026-05-04T11:58:00Z", "count": 4}, "2m", 4),
        ({"eventTime": "2026-05-04T11:59:00.000000Z"}, "60s", 1),
        ({"series": {"count": 9, "lastObservedTime": "2026-05-04T11:59:30.000000Z"}}, "30s", 9),
    ],
)
def test_a_row_says_when_and_how_often(fields: Object, last: str, count: int) -> None:
    cells = EVENT.cells(named(involvedObject=ABOUT, **fields), NOW)
    assert (cells[0], cells[3], cells[8]) == (last, "pod/x", count)


def test_rows_of_both_groups_are_equal() -> None:
    stored = created(EVENT_V1, to_stored(NEW))
    assert EVENT_V1.cells(from_stored(stored), NOW) == EVENT.cells(stored, NOW)
