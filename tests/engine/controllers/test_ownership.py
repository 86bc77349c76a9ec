from pilothouse.engine.controllers import ownership
from pilothouse.model.selector import parse_labels
from tests.engine.controllers.objects import pod

OWNER = {"metadata": {"name": "set", "uid": "set"}}
SELECTOR = parse_labels("app=web")


def test_matching_orphans_are_adopted_and_strangers_left_alone() -> None:
    claim = ownership.plan(OWNER, SELECTOR, [pod("mine")], [pod("orphan"), pod("stranger", labels={"app": "db"})])
    assert [each["metadata"]["name"] for each in claim.mine] == ["mine"]
    assert [each["metadata"]["name"] for each in claim.adopt] == ["orphan"]


def test_what_no_longer_matches_is_released() -> None:
    claim = ownership.plan(OWNER, SELECTOR, [pod("relabelled", labels={"app": "other"})], [])
    assert (claim.mine, len(claim.release)) == ([], 1)


def test_an_owner_that_is_being_deleted_neither_adopts_nor_releases() -> None:
    leaving = {"metadata": OWNER["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    claim = ownership.plan(leaving, SELECTOR, [pod("relabelled", labels={})], [pod("orphan")])
    assert (claim.mine, claim.adopt, claim.release) == ([], [], [])


def test_an_orphan_that_is_being_deleted_is_not_adopted() -> None:
    assert ownership.plan(OWNER, SELECTOR, [], [pod("leaving", deleting=True)]).adopt == []
