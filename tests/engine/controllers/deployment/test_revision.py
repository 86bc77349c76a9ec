import pytest

from pilothouse.engine.controllers.deployment import facts
from pilothouse.engine.controllers.deployment import revision as revisions
from pilothouse.model import meta
from tests.engine.controllers.objects import deployment, replica_set


def test_a_new_set_carries_hash_sizes_and_revision() -> None:
    built = revisions.build(deployment(4), 3, 1)
    hash_ = built["metadata"]["labels"]["pod-template-hash"]
    assert meta.name(built) == f"web-{hash_}"
    assert built["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": hash_}
    assert built["spec"]["template"]["metadata"]["labels"] == {"app": "web", "pod-template-hash": hash_}
    assert meta.annotations(built) == {facts.REVISION: "3", facts.DESIRED: "4", facts.MAXIMUM: "5"}
    assert meta.controller_of(built) == meta.owner_reference(deployment(), "apps/v1", "Deployment")


def test_the_hash_changes_with_the_template_and_with_a_collision() -> None:
    one = deployment()
    other = one | {"spec": one["spec"] | {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}}}
    collided = one | {"status": {"collisionCount": 1}}
    assert len({revisions.template_hash(each) for each in (one, other, collided)}) == 3
    assert revisions.template_hash(one) == revisions.template_hash(deployment())


def test_the_current_set_is_the_oldest_with_the_same_template() -> None:
    wanted = deployment()
    built = revisions.build(wanted, 1, 1)
    older, newer = (
        built | {"metadata": built["metadata"] | {"uid": name, "creationTimestamp": at}}
        for name, at in (("o", "2026-01-01T00:00:00Z"), ("n", "2026-01-02T00:00:00Z"))
    )
    assert revisions.current(wanted, [newer, replica_set("other", 1), older]) == older


def test_coming_back_to_an_old_set_renumbers_it_and_keeps_its_history() -> None:
    back = revisions.as_current(deployment(), replica_set("old", 1, revision="1"), 4)
    assert meta.annotations(back)[facts.REVISION] == "4"
    assert meta.annotations(back)[facts.REVISION_HISTORY] == "1"


@pytest.mark.parametrize("number", ["²", "9" * 5000, "x"])
def test_a_revision_that_is_none_is_written_anew(number: str) -> None:
    mended = revisions.as_current(deployment(), replica_set("new", 1) | {"metadata": {"annotations": {facts.REVISION: number}}}, 4)
    assert meta.annotations(mended)[facts.REVISION] == "4"


def test_a_set_that_is_as_it_should_be_is_left_alone() -> None:
    current = replica_set("new", 1, revision="4")
    assert revisions.as_current(deployment(), current, 4) is current
    sized = revisions.with_size(deployment(4), current, 4)
    assert revisions.with_size(deployment(4), sized, 4) is sized


def test_the_deployments_annotations_are_copied_without_its_own_bookkeeping() -> None:
    wanted = deployment()
    wanted["metadata"]["annotations"] = {"team": "blue", facts.REVISION: "9", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    assert meta.annotations(revisions.build(wanted, 1, 1))["team"] == "blue"
    assert "kubectl.kubernetes.io/last-applied-configuration" not in meta.annotations(revisions.build(wanted, 1, 1))
