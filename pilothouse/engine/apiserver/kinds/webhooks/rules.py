"""Which requests a webhook is called for: groups, versions, resources and operations of its rules."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

ANY = "*"
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")


def validate_rule(rule: Object, path: str) -> list[Cause]:
    operations = rule.get("operations") or []
    causes = _any_alone(operations, f"{path}.operations", "operations")
    for i, operation in field.until_enough(causes, enumerate(operations)):
        if operation not in OPERATIONS:
            causes.append(field.not_supported(f"{path}.operations[{i}]", operation, OPERATIONS))
    causes += _any_alone(rule.get("apiGroups") or [], f"{path}.apiGroups", "API groups")
    versions = rule.get("apiVersions") or []
    causes += _any_alone(versions, f"{path}.apiVersions", "API versions")
    causes += [field.required(f"{path}.apiVersions[{i}]") for i, version in enumerate(versions) if not version]
    causes += _resources(rule.get("resources") or [], f"{path}.resources")
    scope = rule.get("scope")
    if scope is not None and scope not in SCOPES:
        causes.append(field.not_supported(f"{path}.scope", scope, SCOPES))
    return causes


def _any_alone(values: list[str], path: str, others: str) -> list[Cause]:
    if not values:
        return [field.required(path)]
    if len(values) > 1 and ANY in values:
        return [field.invalid(path, values, f"if '*' is present, must not specify other {others}")]
    return []


def _resources(resources: list[str], path: str) -> list[Cause]:
    """A resource that another entry covers already is refused where it comes later."""
    causes = [] if resources else [field.required(path)]
    all_below: set[str] = set()
    below_all: set[str] = set()
    for i, named in field.until_enough(causes, enumerate(resources)):
        if not named:
            causes.append(field.required(f"{path}[{i}]"))
            continue
        resource, slash, below = named.partition("/")
        if not slash:
            continue
        if resource in all_below:
            causes.append(field.invalid(f"{path}[{i}]", named, f"if '{resource}/*' is present, must not specify {named}"))
        if below in below_all:
            causes.append(field.invalid(f"{path}[{i}]", named, f"if '*/{below}' is present, must not specify {named}"))
        if below == ANY:
            all_below.add(resource)
        if resource == ANY:
            below_all.add(below)
    return causes + _wildcards(resources, path)


def _wildcards(resources: list[str], path: str) -> list[Cause]:
    causes = []
    if len(resources) > 1 and "*/*" in resources:
        causes.append(field.invalid(path, resources, "if '*/*' is present, must not specify other resources"))
    without_subresource = [named for named in resources if named and "/" not in named]
    # Upstream looks at the last one of them only.
    if ANY in resources and without_subresource[-1] != ANY:
        detail = "if '*' is present, must not specify other resources without subresources"
        causes.append(field.invalid(path, resources, detail))
    return causes
