from typing import Any

import pytest

from pilothouse.engine.controllers.statefulset import claims, identity
from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.engine.controllers.statefulset.objects import member, stateful_set

DATA = {"metadata": {"name": "data", "labels": {"tier": "db"}}, "spec": {"accessModes": ["ReadWriteOnce"]}}


def owner(deleted: str = "Retain", scaled: str = "Retain", **spec: Any) -> Object:
    policy = {"whenDeleted": deleted, "whenScaled": scaled}
    return stateful_set(volumeClaimTemplates=[DATA], persistentVolumeClaimRetentionPolicy=policy, **spec)


def owned_by(*uids: str, **fields: Any) -> Object:
    return {"metadata": {"name": "data-db-1", "ownerReferences": [{"uid": uid, "kind": "Pod", "name": "db-1"} | fields for uid in uids]}}


def owners(found: Object, claim: Object, *, is_scaled_away: bool = False) -> list[str]:
    return [each["uid"] for each in claims.wanted_owners(found, claim, member(1), is_scaled_away=is_scaled_away)]


def test_a_claim_is_named_by_template_set_and_ordinal() -> None:
    made = claims.build(owner(), DATA, 1)
    assert (meta.name(made), meta.namespace(made)) == ("data-db-1", "default")
    assert meta.labels(made) == {"tier": "db", "app": "web"}
    assert made["spec"] == DATA["spec"]
    assert "status" not in made


@pytest.mark.parametrize(
    ("deleted", "scaled", "kept", "scaled_away"),
    [
        ("Retain", "Retain", [], []),
        ("Delete", "Retain", ["uid-db"], ["uid-db"]),
        ("Retain", "Delete", [], ["uid-db-1"]),
        ("Delete", "Delete", ["uid-db"], ["uid-db-1"]),
    ],
)
@pytest.mark.parametrize("before", [[], ["uid-db"], ["uid-db-1"], ["uid-db", "uid-db-1"]])
def test_who_owns_a_claim_follows_the_policy(deleted: str, scaled: str, kept: list[str], scaled_away: list[str], before: list[str]) -> None:
    claim = owned_by(*before)
    assert owners(owner(deleted, scaled), claim) == kept
    assert owners(owner(deleted, scaled), claim, is_scaled_away=True) == scaled_away


def test_owners_of_others_stay() -> None:
    assert owners(owner("Delete"), owned_by("uid-stranger")) == ["uid-stranger", "uid-db"]
    assert owners(owner(), owned_by("uid-stranger", "uid-db")) == ["uid-stranger"]


def test_a_claim_that_another_controller_manages_is_left_alone() -> None:
    assert owners(owner("Delete", "Delete"), owned_by("uid-stranger", controller=True)) == ["uid-stranger"]


def test_a_new_claim_goes_with_its_set_from_the_start() -> None:
    assert [each["uid"] for each in meta.owner_references(claims.build(owner("Delete"), DATA, 1))] == ["uid-db"]
    assert meta.owner_references(claims.build(owner("Retain", "Delete"), DATA, 1)) == []


def test_a_claim_that_goes_with_an_earlier_pod_is_stale() -> None:
    assert claims.is_stale(owned_by("uid-earlier"), "db-1", "")
    assert claims.is_stale(owned_by("uid-earlier"), "db-1", "uid-db-1")
    assert not claims.is_stale(owned_by("uid-db-1"), "db-1", "uid-db-1")
    assert not claims.is_stale(owned_by("uid-db", kind="StatefulSet", name="db"), "db-1", "")


def test_a_pod_mounts_its_claims_in_the_place_of_the_templates_volumes() -> None:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]},
    }
    volumes = identity.build(owner(), template, 1, "db-abc")["spec"]["volumes"]
    assert volumes == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}, {"name": "tmp", "emptyDir": {}}]


def test_a_pod_has_the_name_labels_and_host_name_of_its_ordinal() -> None:
    made = identity.build(stateful_set(), {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}, 2, "db-abc")
    assert meta.name(made) == "db-2"
    assert meta.labels(made) == {
        "app": "web",
        "statefulset.kubernetes.io/pod-name": "db-2",
        "apps.kubernetes.io/pod-index": "2",
        "controller-revision-hash": "db-abc",
    }
    assert (made["spec"]["hostname"], made["spec"]["subdomain"]) == ("db-2", "db")
    assert "volumes" not in made["spec"]
