"""Policy rules: what they allow and what they cover."""

from typing import Any

import pytest

from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.authz.covering import uncovered
from pilothouse.engine.apiserver.authz.rules import allows
from pilothouse.engine.apiserver.identity import User

USER = User("jane")


def asked(verb: str = "get", resource: str = "pods", **more: Any) -> Attributes:
    return Attributes(USER, verb, resource=resource, **more)


@pytest.mark.parametrize(
    ("rule", "question", "expected"),
    [
        ({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}, asked(), True),
        ({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}, asked(), False),
        ({"apiGroups": ["apps"], "resources": ["pods"], "verbs": ["get"]}, asked(), False),
        ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, asked(subresource="log"), True),
        ({"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}, asked(subresource="log"), False),
        ({"apiGroups": [""], "resources": ["*/log"], "verbs": ["get"]}, asked(subresource="log"), True),
        ({"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["get"]}, asked(name="a"), True),
        ({"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["get"]}, asked(name="b"), False),
        ({"nonResourceURLs": ["/healthz/*"], "verbs": ["get"]}, Attributes(USER, "get", path="/healthz/etcd"), True),
        ({"nonResourceURLs": ["/healthz"], "verbs": ["get"]}, Attributes(USER, "get", path="/healthz/etcd"), False),
    ],
)
def test_a_rule_allows_what_it_says(rule: dict[str, list[str]], question: Attributes, expected: bool) -> None:
    assert allows(rule, question) is expected


def test_rights_are_covered_one_by_one() -> None:
    owned = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    wanted = [{"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get"]}]
    assert uncovered(owned, wanted) == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]


def test_a_right_to_one_name_does_not_cover_all_names() -> None:
    owned = [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get"]}]
    assert uncovered(owned, [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}])
    assert not uncovered(owned, [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get"]}])
