"""Policy rules of RBAC: what one allows, and how one is taken apart and put together. Pure.

Source: kubernetes pkg/apis/rbac/v1/evaluation_helpers.go.
"""

from collections.abc import Iterable, Sequence

from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.model.json import Object

ALL = "*"


def allows(rule: Object, asked: Attributes) -> bool:
    verbs = rule.get("verbs") or ()
    if asked.verb not in verbs and ALL not in verbs:
        return False
    if asked.path:
        return any(_path_matches(pattern, asked.path) for pattern in rule.get("nonResourceURLs") or ())
    groups = rule.get("apiGroups") or ()
    if asked.group not in groups and ALL not in groups:
        return False
    if not _resource_matches(rule.get("resources") or (), asked.resource_path, asked.subresource):
        return False
    names = rule.get("resourceNames")
    return not names or asked.name in names


def _resource_matches(resources: Sequence[str], path: str, subresource: str) -> bool:
    if path in resources or ALL in resources:
        return True
    return bool(subresource) and f"{ALL}/{subresource}" in resources


def _path_matches(pattern: str, path: str) -> bool:
    return pattern in (ALL, path) or (pattern.endswith(ALL) and path.startswith(pattern.rstrip(ALL)))


def broken_down(rule: Object) -> Iterable[Object]:
    """The rule as rules of one verb on one resource (and name) or path each."""
    verbs = rule.get("verbs") or ()
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in verbs:
                single: Object = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                names = rule.get("resourceNames") or ()
                if not names:
                    yield single
                for name in names:
                    yield single | {"resourceNames": [name]}
    for path in rule.get("nonResourceURLs") or ():
        for verb in verbs:
            yield {"nonResourceURLs": [path], "verbs": [verb]}


def combinations(rule: Object) -> int:
    """How many single rules `broken_down` makes of it."""
    verbs, names = len(rule.get("verbs") or ()), max(1, len(rule.get("resourceNames") or ()))
    resources = len(rule.get("apiGroups") or ()) * len(rule.get("resources") or ())
    return verbs * (resources * names + len(rule.get("nonResourceURLs") or ()))


def compact(rules: Iterable[Object]) -> list[Object]:
    """The same rights in fewer rules: single-resource rules that differ only in their verb are joined."""
    joined: dict[tuple[str, str, str], Object] = {}
    out: list[Object] = []
    for rule in rules:
        if len(rule.get("apiGroups") or ()) != 1 or len(rule.get("resources") or ()) != 1 or rule.get("nonResourceURLs"):
            out.append(rule)
            continue
        key = (rule["apiGroups"][0], rule["resources"][0], ",".join(rule.get("resourceNames") or ()))
        if key in joined:
            joined[key]["verbs"].extend(verb for verb in rule["verbs"] if verb not in joined[key]["verbs"])
        else:
            joined[key] = rule | {"verbs": list(rule["verbs"])}
            out.append(joined[key])
    return out


def go_rule(rule: Object) -> str:
    """One rule as upstream's messages show it."""
    if "nonResourceURLs" in rule:
        return "{NonResourceURLs:" + _go_list(rule["nonResourceURLs"]) + ", Verbs:" + _go_list(rule["verbs"]) + "}"
    parts = [f"APIGroups:{_go_list(rule['apiGroups'])}", f"Resources:{_go_list(rule['resources'])}"]
    if rule.get("resourceNames"):
        parts.append(f"ResourceNames:{_go_list(rule['resourceNames'])}")
    return "{" + ", ".join([*parts, f"Verbs:{_go_list(rule['verbs'])}"]) + "}"


def _go_list(values: Sequence[str]) -> str:
    return "[" + " ".join(f'"{value}"' for value in values) + "]"
