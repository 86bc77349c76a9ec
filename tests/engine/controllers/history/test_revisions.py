from typing import Any

import pytest

from pilothouse.engine.controllers.history import revisions
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import DAEMONSETS, STATEFULSETS
from tests.engine.controllers.objects import ago, template


def owner(image: str = "web:1", **metadata: Any) -> Object:
    named = {"name": "db", "namespace": "default", "uid": "uid-db"}
    return {"metadata": named | metadata, "spec": {"template": template(image)}}


def kept(image: str, number: int, age_s: float = 100) -> Object:
    made = revisions.build(owner(image), STATEFULSETS, number, 0)
    made["metadata"] |= {"uid": f"uid-{image}", "creationTimestamp": ago(age_s)}
    return made


def choose(image: str, *existing: Object) -> revisions.Choice:
    return revisions.choose(owner(image), STATEFULSETS, existing, 0)


def test_a_revision_keeps_the_template_as_a_patch_that_restores_it() -> None:
    made = kept("web:1", 1)
    assert made["data"]["spec"]["template"]["$patch"] == "replace"
    assert revisions.template_of(made) == template("web:1")


def test_its_keys_are_sorted_as_kubectl_writes_them() -> None:
    assert list(kept("web:1", 1)["data"]["spec"]["template"]) == ["$patch", "metadata", "spec"]


@pytest.mark.parametrize("data", [None, {}, {"spec": "x"}, {"spec": {"template": {"spec": {}}}}])
def test_data_of_another_form_is_no_template(data: object) -> None:
    assert revisions.template_of({"data": data}) is None


def test_a_revision_is_its_owners_and_labelled_like_its_pods() -> None:
    made = revisions.build(owner(annotations={"kubernetes.io/change-cause": "first"}), STATEFULSETS, 1, 0)
    assert (meta.controller_of(made) or {})["uid"] == "uid-db"
    assert meta.labels(made)["app"] == "web"
    assert meta.name(made) == f"db-{meta.labels(made)[revisions.HASH_LABEL]}"
    assert meta.annotations(made) == {"kubernetes.io/change-cause": "first"}


def test_the_hash_differs_by_template_and_by_collisions_and_not_by_the_order_of_keys() -> None:
    one, other = revisions.data_of(owner("a")), revisions.data_of(owner("b"))
    shuffled = {"spec": {"template": dict(reversed(list(one["spec"]["template"].items())))}}
    assert revisions.hash_of(one, 0) == revisions.hash_of(shuffled, 0)
    assert len({revisions.hash_of(one, 0), revisions.hash_of(one, 1), revisions.hash_of(other, 0)}) == 3


def test_a_long_name_leaves_room_for_the_hash() -> None:
    long: Object = {"metadata": {"name": "x" * 253}}
    assert len(revisions.name_of(long, DAEMONSETS, "abcdefghij")) <= 253


def test_the_name_of_a_stateful_sets_revision_can_be_a_label() -> None:
    assert revisions.name_of({"metadata": {"name": "x" * 60}}, STATEFULSETS, "abcdefghij") == f"{'x' * 52}-abcdefghij"
    assert revisions.name_of({"metadata": {"name": "db"}}, STATEFULSETS, "abcdefghij") == "db-abcdefghij"


def test_the_first_revision_is_made_with_number_one() -> None:
    assert choose("web:1")[1:] == (True, 1)


def test_the_newest_revision_stays_when_it_is_the_templates() -> None:
    first, second = kept("web:1", 1), kept("web:2", 2)
    assert choose("web:2", second, first) == (second, False, 2)


def test_a_new_template_gets_the_next_number() -> None:
    assert choose("web:3", kept("web:1", 1), kept("web:2", 7))[1:] == (True, 8)


def test_a_template_gone_back_to_becomes_the_newest() -> None:
    first, second = kept("web:1", 1), kept("web:2", 2)
    assert choose("web:1", first, second) == (first, False, 3)


def test_equal_numbers_are_ordered_by_age_and_name() -> None:
    old, young = kept("web:1", 1, age_s=500), kept("web:2", 1, age_s=5)
    assert revisions.in_order([young, old]) == [old, young]


@pytest.mark.parametrize(("limit", "gone"), [(0, ["a", "b", "c"]), (1, ["a", "b"]), (3, []), (10, []), (None, [])])
def test_the_history_keeps_as_many_old_revisions_as_its_limit(limit: int | None, gone: list[str]) -> None:
    old = [kept(image, number) for number, image in enumerate("abc", 1)]
    live = kept("live", 4)
    found = revisions.surplus([live, *reversed(old)], {meta.name(live)}, limit)
    assert [revisions.template_of(each) for each in found] == [template(image) for image in gone]


def test_a_revision_that_pods_are_of_is_never_thrown_away() -> None:
    old = [kept(image, number) for number, image in enumerate("abc", 1)]
    assert revisions.surplus(old, {meta.name(old[0])}, 0) == old[1:]
