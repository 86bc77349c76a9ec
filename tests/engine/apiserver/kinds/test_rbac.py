"""Roles and bindings."""

import pytest

from pilothouse.engine.apiserver.kinds.rbac import CLUSTERROLE, CLUSTERROLEBINDING, ROLE, ROLEBINDING
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import cluster_scoped, created, named, refusals, update_refusals

GROUP = "rbac.authorization.k8s.io"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}, []),
        ({"verbs": [], "apiGroups": [""], "resources": ["pods"]}, ["rules[0].verbs Required"]),
        ({"verbs": ["get"], "resources": ["pods"]}, ["rules[0].apiGroups Required"]),
        ({"verbs": ["get"], "apiGroups": [""]}, ["rules[0].resources Required"]),
        ({"verbs": ["get"], "nonResourceURLs": ["/x"]}, ["rules[0].nonResourceURLs Invalid"]),
    ],
)
def test_roles(rule: Object, expected: list[str]) -> None:
    assert refusals(ROLE, named(rules=[rule])) == expected


def test_a_role_without_rules_shows_that() -> None:
    assert created(ROLE, named())["rules"] is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}, []),
        ({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"], "apiGroups": [""]}]}, ["rules[0].nonResourceURLs Invalid"]),
        ({"aggregationRule": {"clusterRoleSelectors": []}}, ["aggregationRule.clusterRoleSelectors Required"]),
    ],
)
def test_cluster_roles(fields: Object, expected: list[str]) -> None:
    assert refusals(CLUSTERROLE, cluster_scoped(**fields)) == expected


def binding(subject: Object, **ref: object) -> Object:
    return {"subjects": [subject], "roleRef": {"kind": "ClusterRole", "name": "view", **ref}}


def test_groups_of_subjects_and_roles_are_filled_in() -> None:
    made = created(ROLEBINDING, named(**binding({"kind": "User", "name": "u"})))
    assert made["roleRef"]["apiGroup"] == made["subjects"][0]["apiGroup"] == GROUP


@pytest.mark.parametrize(
    ("subject", "ref", "expected"),
    [
        ({"kind": "User", "name": ""}, {}, ["subjects[0].name Required"]),
        ({"kind": "User", "name": "u", "apiGroup": "x"}, {}, ["subjects[0].apiGroup NotSupported"]),
        ({"kind": "Robot", "name": "u"}, {}, ["subjects[0].kind NotSupported"]),
        ({"kind": "User", "name": "u"}, {"name": ""}, ["roleRef.name Required"]),
        ({"kind": "User", "name": "u"}, {"kind": "Role"}, ["roleRef.kind NotSupported"]),
        ({"kind": "ServiceAccount", "name": "a"}, {}, ["subjects[0].namespace Required"]),
    ],
)
def test_cluster_role_bindings(subject: Object, ref: Object, expected: list[str]) -> None:
    assert refusals(CLUSTERROLEBINDING, cluster_scoped(**binding(subject, **ref))) == expected


def test_a_binding_keeps_its_role() -> None:
    user = {"kind": "User", "name": "u"}
    assert update_refusals(ROLEBINDING, named(**binding(user)), named(**binding(user, name="edit"))) == ["roleRef Invalid"]
    assert update_refusals(ROLEBINDING, named(**binding(user)), named(**binding({"kind": "User", "name": "v"}))) == []


def test_an_update_is_judged_by_the_rules_of_a_role_before_it_is_judged_as_a_change() -> None:
    new = named(rules=[{"verbs": []}])
    new["metadata"]["labels"] = {"a b": "c"}
    label, rules = "metadata.labels Invalid", ["rules[0].verbs Required", "rules[0].apiGroups Required", "rules[0].resources Required"]
    assert update_refusals(ROLE, named(), new) == [label, label, label, *rules, label]
