"""Rules of object metadata, as every kind applies them."""

import pytest

from pilothouse.engine.apiserver.kinds import metadata
from pilothouse.engine.apiserver.kinds.data import CONFIGMAP
from pilothouse.engine.apiserver.kinds.rbac import ROLE
from pilothouse.engine.apiserver.kinds.services import SERVICE
from tests.engine.apiserver.kinds.objects import brief, changed, created, named, refusals, update_refusals, updated


@pytest.mark.parametrize("name", ["a", "a.b-c.d", "1a"])
def test_config_maps_may_be_called_like_a_subdomain(name: str) -> None:
    assert refusals(CONFIGMAP, named(name)) == []


@pytest.mark.parametrize("name", ["Abc", "a_b", "a.", ".", "a b", "ä", "a" * 254])
def test_other_names_are_refused(name: str) -> None:
    assert refusals(CONFIGMAP, named(name)) == ["metadata.name Invalid"]


def test_a_service_name_has_no_dots() -> None:
    assert "metadata.name Invalid" in refusals(SERVICE, named("a.b", spec={"ports": [{"port": 80}]}))


@pytest.mark.parametrize(("name", "expected"), [("a:b C", []), ("a/b", ["metadata.name Invalid"]), ("a%b", ["metadata.name Invalid"])])
def test_a_role_name_need_only_fit_into_a_url(name: str, expected: list[str]) -> None:
    assert refusals(ROLE, named(name)) == expected


def test_an_object_needs_a_name() -> None:
    assert refusals(CONFIGMAP, {"metadata": {"namespace": "default"}}) == ["metadata.name Required"]


def test_a_generated_name_may_end_in_a_dash() -> None:
    assert refusals(CONFIGMAP, {"metadata": {"name": "web-x", "generateName": "web-", "namespace": "default"}}) == []


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("labels", {"a": "b", "example.com/a": ""}, []),
        ("labels", {"a/b/c": "d"}, ["metadata.labels Invalid"]),
        ("labels", {"a": "b c"}, ["metadata.labels Invalid"]),
        ("labels", {"": "d"}, ["metadata.labels Invalid", "metadata.labels Invalid"]),
        ("annotations", {"Example.com/A": "any text"}, []),
        ("annotations", {"a b": ""}, ["metadata.annotations Invalid"]),
        ("annotations", {"a": "x" * 262145}, ["metadata.annotations TooLong"]),
        ("finalizers", ["example.com/f", "orphan"], []),
        ("finalizers", ["abc"], ["metadata.finalizers[0] Invalid"]),
        ("finalizers", ["orphan", "foregroundDeletion"], ["metadata.finalizers Invalid"]),
    ],
)
def test_labels_annotations_and_finalizers(path: str, value: object, expected: list[str]) -> None:
    assert refusals(CONFIGMAP, changed(named(), f"metadata.{path}", value)) == expected


def test_an_owner_is_named_in_full() -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": ""}
    assert refusals(CONFIGMAP, changed(named(), "metadata.ownerReferences", [owner])) == ["metadata.ownerReferences.uid Invalid"]


def test_an_object_has_at_most_one_controller() -> None:
    owners = [{"apiVersion": "v1", "kind": "Pod", "name": n, "uid": n, "controller": True} for n in "ab"]
    assert refusals(CONFIGMAP, changed(named(), "metadata.ownerReferences", owners)) == ["metadata.ownerReferences Invalid"]


def test_events_own_nothing() -> None:
    owner = {"apiVersion": "v1", "kind": "Event", "name": "x", "uid": "1"}
    assert refusals(CONFIGMAP, changed(named(), "metadata.ownerReferences", [owner])) == ["metadata.ownerReferences Invalid"]


def test_identity_is_immutable() -> None:
    old = created(CONFIGMAP, named())
    new = changed(changed(old, "metadata.uid", "u2"), "metadata.deletionGracePeriodSeconds", 3)
    assert set(brief(metadata.validate_update(new, old))) == {"metadata.uid Invalid", "metadata.deletionGracePeriodSeconds Invalid"}


def test_times_and_generation_are_the_servers() -> None:
    old = changed(created(CONFIGMAP, named()), "metadata.creationTimestamp", "2026-01-01T00:00:00Z")
    new = changed(changed(old, "metadata.creationTimestamp", "2027-01-01T00:00:00Z"), "metadata.generation", 9)
    assert updated(CONFIGMAP, old, new) == old


def test_a_deletion_is_not_taken_back() -> None:
    old = changed(created(CONFIGMAP, named()), "metadata.deletionTimestamp", "2026-01-01T00:00:00Z")
    assert updated(CONFIGMAP, old, changed(old, "metadata.deletionTimestamp", None)) == old


def test_a_dying_object_gets_no_new_finalizers() -> None:
    old = changed(created(CONFIGMAP, named()), "metadata.deletionTimestamp", "2026-01-01T00:00:00Z")
    new = changed(old, "metadata.finalizers", ["example.com/f"])
    assert set(brief(metadata.validate_update(new, old))) == {"metadata.finalizers Forbidden"}


def test_a_bad_label_of_an_update_is_reported_by_every_layer() -> None:
    bad = changed(named(data={}), "metadata.labels", {"a~b": ""})
    assert update_refusals(CONFIGMAP, named(data={}), bad) == ["metadata.labels Invalid"] * 4
