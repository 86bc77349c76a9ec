"""Discovery in one document (apidiscovery.k8s.io/v2). Pure functions of the table."""

from pilothouse.engine.apiserver.aggregator.findings import Finding, Findings
from pilothouse.engine.apiserver.discovery.legacy import subresource_kind, verbs_of
from pilothouse.engine.apiserver.kinds.subresource import Subresource
from pilothouse.engine.apiserver.request.negotiate import clauses
from pilothouse.engine.apiserver.resources.served import ServedResource, ServedResources
from pilothouse.model.json import Object

CONTENT_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def wanted(accept: str) -> bool:
    """Whether the client's first choice among what we have is the aggregated document."""
    for clause in clauses(accept):
        stated = {name: clause.parameters.get(name) for name in ("g", "v", "as")}
        if clause.media == "application/json":
            if stated == {"g": "apidiscovery.k8s.io", "v": "v2", "as": "APIGroupDiscoveryList"}:
                return True
            if not stated["as"]:
                return False
    return False


def document(table: ServedResources, groups: list[str], findings: Findings) -> Object:
    """findings: what other servers serve; a version whose server does not answer is shown as it was last, and stale."""
    items = [_group(table, name, findings) for name in groups]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _group(table: ServedResources, name: str, findings: Findings) -> Object:
    versions = [_version(table, name, version, findings) for version in table.all_versions(name)]
    return {"metadata": {"name": name} if name else {}, "versions": versions}


def _version(table: ServedResources, group: str, version: str, findings: Findings) -> Object:
    other = table.foreign_at(group, version)
    if other is not None:
        return _of_other(version, findings.of(other), is_available=other.is_available)
    resources = [_resource(row) for row in table.rows(group, version)]
    return {"version": version, "resources": resources, "freshness": "Current"}


def _of_other(version: str, finding: Finding | None, *, is_available: bool) -> Object:
    resources = {"resources": list(finding.resources)} if finding is not None and finding.resources else {}
    is_current = is_available and finding is not None and not finding.failure and not finding.is_outdated
    return {"version": version, **resources, "freshness": "Current" if is_current else "Stale"}


def _resource(row: ServedResource) -> Object:
    resource = row.resource
    entry: Object = {
        "resource": resource.plural,
        "responseKind": _kind(row, ("", "", resource.kind)),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": verbs_of(row),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [_subresource(row, each) for each in row.kind.subresources.values()]
    return entry


def _subresource(row: ServedResource, subresource: Subresource) -> Object:
    answers = subresource_kind(row, subresource)
    return {"subresource": subresource.name, "responseKind": _kind(row, answers), "verbs": list(subresource.verbs)}


def _kind(row: ServedResource, answers: tuple[str, str, str]) -> Object:
    """Built-in resources leave group and version out where they are the resource's own; custom ones state them."""
    group, version, kind = answers
    if row.custom and not group:
        group, version = row.resource.group, row.resource.version
    return {"group": group, "version": version, "kind": kind}
