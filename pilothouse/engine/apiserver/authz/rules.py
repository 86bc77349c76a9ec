"""Policy rules of RBAC: what one allows, and whether a set of them covers another.

Pure. Source: kubernetes pkg/apis/rbac/v1/evaluation_helpers.go; component-helpers auth/rbac/validation (rule covering).
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


def uncovered(owned: Sequence[Object], wanted: Sequence[Object]) -> list[Object]:
    """The single rules of `wanted` that nothing in `owned` covers."""
    return [single for rule in wanted for single in broken_down(rule) if not any(_covers(own, single) for own in owned)]


def _covers(own: Object, single: Object) -> bool:
    verbs = own.get("verbs") or ()
    if ALL not in verbs and single["verbs"][0] not in verbs:
        return False
    if "nonResourceURLs" in single:
        return any(_path_covers(pattern, single["nonResourceURLs"][0]) for pattern in own.get("nonResourceURLs") or ())
    groups = own.get("apiGroups") or ()
    if ALL not in groups and single["apiGroups"][0] not in groups:
        return False
    if not _resource_covers(own.get("resources") or (), single["resources"][0]):
        return False
    names = own.get("resourceNames")
    return not names or single.get("resourceNames", [None])[0] in names


def _resource_covers(resources: Sequence[str], wanted: str) -> bool:
    if ALL in resources or wanted in resources:
        return True
    _, slash, subresource = wanted.partition("/")
    return bool(slash) and f"{ALL}/{subresource}" in resources


def _path_covers(pattern: str, wanted: str) -> bool:
    if pattern in (ALL, wanted):
        return True
    return pattern.endswith(ALL) and wanted.startswith(pattern.rstrip(ALL))


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
