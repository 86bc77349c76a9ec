"""What a start makes of the roles and bindings that are there already: what is missing is added, what people have added stays.

An object whose annotation `rbac.authorization.kubernetes.io/autoupdate` says "false" is left alone. Pure.
Source: kubernetes pkg/registry/rbac/reconciliation.
"""

from pilothouse.engine.apiserver.authz.covering import uncovered
from pilothouse.engine.apiserver.authz.rules import compact
from pilothouse.model.json import Object
from pilothouse.model.policy import AUTOUPDATE


def is_protected(current: Object) -> bool:
    return any((current["metadata"].get("annotations") or {}).get(name) == "false" for name in AUTOUPDATE)


def with_metadata(current: Object, wanted: Object) -> Object:
    """The current object with the labels and annotations that are wanted; others that it has stay."""
    metadata = dict(current["metadata"])
    for name in ("labels", "annotations"):
        if stated := wanted["metadata"].get(name):
            metadata[name] = (metadata.get(name) or {}) | stated
    return current | {"metadata": metadata}


def role(current: Object, wanted: Object) -> Object:
    """The rules of an aggregated role are not touched: they are those of the roles it selects."""
    merged = with_metadata(current, wanted)
    if "aggregationRule" in wanted:
        selectors = (current.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
        missing = [each for each in wanted["aggregationRule"]["clusterRoleSelectors"] if each not in selectors]
        return merged | {"aggregationRule": {"clusterRoleSelectors": [*selectors, *missing]}}
    rules = current.get("rules") or []
    missing = compact(uncovered(rules, wanted["rules"]))
    return merged | {"rules": [*rules, *missing]} if missing else merged


def binding(current: Object, wanted: Object) -> Object | None:
    """None when the binding has to be made anew: what it refers to cannot be changed."""
    if current.get("roleRef") != wanted["roleRef"]:
        return None
    subjects = current.get("subjects") or []
    missing = [each for each in wanted.get("subjects") or () if each not in subjects]
    merged = with_metadata(current, wanted)
    return merged | {"subjects": [*subjects, *missing]} if missing else merged
