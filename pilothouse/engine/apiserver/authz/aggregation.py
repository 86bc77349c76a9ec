"""Aggregated ClusterRoles: their rules are those of the roles that their selectors find.

Kept while writes of ClusterRoles are answered, so that an aggregated role never lags behind what it is made of.
Source: kubernetes pkg/controller/clusterroleaggregation.
"""

from collections.abc import Sequence
from typing import Any

from pilothouse.engine.apiserver.authz.rbac import CLUSTER_ROLES
from pilothouse.engine.store.errors import Mismatch
from pilothouse.model.json import Object
from pilothouse.model.selector import from_label_selector

_ROUNDS = 10


def aggregated_rules(role: Object, roles: Sequence[Object]) -> list[Object]:
    """The rules of all roles that `role` selects, by name, each once; pure."""
    selectors = [from_label_selector(each) for each in role["aggregationRule"].get("clusterRoleSelectors") or ()]
    rules: list[Object] = []
    for other in sorted(roles, key=lambda each: str(each["metadata"]["name"])):
        if other["metadata"]["name"] == role["metadata"]["name"]:
            continue
        labels = other["metadata"].get("labels") or {}
        if any(selector.matches(labels) for selector in selectors):
            rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules


async def refresh(store: Any) -> None:
    """Bring all aggregated roles up to date; a role may feed another, so until nothing changes any more."""
    for _ in range(_ROUNDS):
        changed = False
        records = store.scan(CLUSTER_ROLES)
        roles = [record.value for record in records]
        for record in records:
            role = record.value
            if not role.get("aggregationRule"):
                continue
            rules = aggregated_rules(role, roles)
            if rules == (role.get("rules") or []):
                continue
            changed = True
            try:
                await store.update(record.key, role | {"rules": rules or None}, expected=record.revision)
            except Mismatch:
                continue
        if not changed:
            return
