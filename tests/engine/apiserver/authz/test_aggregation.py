"""Aggregated roles: what they are made of, what that costs, and that one that cannot be kept harms no other."""

import asyncio
import time

from pilothouse.engine.apiserver.authz.aggregation import aggregated_rules, refresh
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from tests.cpu import takes_under
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import RBAC

ROLES = f"{RBAC}/clusterroles"


def role(name: str, rules: list[Object], **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}, "rules": rules}


def rule(*resources: str) -> Object:
    return {"apiGroups": ["example.com"], "resources": list(resources), "verbs": ["get"]}


def summed(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name}, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": labels}]}}


def test_each_rule_is_taken_once_in_the_order_of_the_roles_names() -> None:
    roles = [role("b", [rule("x"), rule("y"), rule("x")], a="b"), role("a", [rule("z"), rule("y")], a="b"), role("c", [rule("w")])]
    assert aggregated_rules(summed("sum", a="b"), roles) == [rule("z"), rule("y"), rule("x")]


def test_many_rules_take_linear_time() -> None:
    """Rule by rule against all others, these would take seconds."""
    roles = [role(name, [rule(f"{name}{n}") for n in range(5_000)], a="b") for name in ("one", "two")]
    with takes_under(0.5, time.thread_time):
        assert len(aggregated_rules(summed("sum", a="b"), roles)) == 10_000


async def test_a_role_that_would_be_too_large_keeps_no_other_from_its_rules(api: Api, store: Store) -> None:
    for name in ("one", "two"):
        await api.post(ROLES, role(name, [rule(*(f"{name}{'x' * 100}{n}" for n in range(8_000)))], large="yes"))
    await api.post(ROLES, summed("a-large-one", large="yes"))
    await api.post(ROLES, role("three", [rule("things")], small="yes"))
    await api.post(ROLES, summed("the-next", small="yes"))
    async with asyncio.timeout(10):
        while (await api.get(f"{ROLES}/the-next")).get("rules") != [rule("things")]:
            await asyncio.sleep(0.01)
    assert not (await api.get(f"{ROLES}/a-large-one")).get("rules")


async def test_many_roles_are_looked_at_in_turns_with_others(store: Store) -> None:
    for number in range(300):
        await store.create(f"/clusterroles.rbac.authorization.k8s.io//r{number}", role(f"r{number}", [rule("x")]))
    refreshing, turns = asyncio.ensure_future(refresh(store)), 0
    while not refreshing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 5
