"""Which rights cover others: the same answer as comparing each rule with each other, in less time."""

import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.engine.apiserver.authz.covering import uncovered
from pilothouse.engine.apiserver.authz.rules import broken_down
from pilothouse.model.json import Object
from tests.cpu import takes_under

VERBS, GROUPS, RESOURCES, NAMES = ["get", "list", "*"], ["", "apps", "*"], ["pods", "pods/log", "*/log", "*", "nodes"], ["a", "b", "", "*"]
PATHS = ["/healthz", "/healthz/*", "/x", "*"]


def some(words: list[str], least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(words), min_size=least, max_size=3, unique=True)


OF_RESOURCES = st.fixed_dictionaries(
    {"verbs": some(VERBS), "apiGroups": some(GROUPS), "resources": some(RESOURCES)}, optional={"resourceNames": some(NAMES, 0)}
)
OF_PATHS = st.fixed_dictionaries({"verbs": some(VERBS), "nonResourceURLs": some(PATHS)})
RULES = st.lists(OF_RESOURCES | OF_PATHS, max_size=6)


def covers(own: Object, single: Object) -> bool:
    """By one rule, as upstream compares them."""
    (verb,) = single["verbs"]
    if verb not in own["verbs"] and "*" not in own["verbs"]:
        return False
    if "nonResourceURLs" in single:
        (path,) = single["nonResourceURLs"]
        patterns = own.get("nonResourceURLs") or ()
        return any(each in ("*", path) or (each.endswith("*") and path.startswith(each[:-1])) for each in patterns)
    (group,), (resource,) = single["apiGroups"], single["resources"]
    if group not in own.get("apiGroups", ()) and "*" not in own.get("apiGroups", ()):
        return False
    stated = own["resources"]
    if resource not in stated and "*" not in stated and ("/" not in resource or f"*/{resource.partition('/')[2]}" not in stated):
        return False
    names = own.get("resourceNames")
    return not names or single.get("resourceNames", [None])[0] in names


@given(RULES, RULES)
def test_what_no_single_rule_covers_is_uncovered(owned: list[Any], wanted: list[Any]) -> None:
    singles = [single for rule in wanted for single in broken_down(rule)]
    assert uncovered(owned, wanted) == [single for single in singles if not any(covers(own, single) for own in owned)]


def test_thousands_are_held_against_ten_thousand_in_a_moment() -> None:
    owned = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": [f"n{number}"]} for number in range(20_000)]
    wanted = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": [f"n{n}" for n in range(15_000, 25_000)]}]
    with takes_under(1.0, time.thread_time):
        assert len(uncovered(owned, wanted)) == 5_000
