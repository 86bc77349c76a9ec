"""Discovery as a document for each group and version. Pure functions of the table."""

import base64
import hashlib

from pilothouse.engine.apiserver.kinds.subresource import Subresource
from pilothouse.engine.apiserver.resources.served import ServedResource, ServedResources
from pilothouse.model.json import Object

_CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]


def api_versions(address: str) -> Object:
    ranges = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": ranges}


def group_list(table: ServedResources) -> Object:
    """Also of versions whose servers do not answer, as upstream: who needs one learns that it is unavailable, not that there is none."""
    groups = [_group(name, table.all_versions(name)) for name in table.all_groups() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(table: ServedResources, name: str) -> Object:
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, table.all_versions(name))}


def _group(name: str, found: list[str]) -> Object:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in found]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(table: ServedResources, group: str, version: str) -> Object:
    """The resources of a group's version with their subresources behind them."""
    resources = [entry for row in table.rows(group, version) for entry in _entries(row)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def _entries(row: ServedResource) -> list[Object]:
    resource = row.resource
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": verbs_of(row),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if row.kind.is_stored:
        entry["storageVersionHash"] = _hash(row)
    return [entry, *(_subresource(row, each) for each in row.kind.subresources.values())]


def verbs_of(row: ServedResource) -> list[str]:
    return _CUSTOM_VERBS if row.custom else list(row.resource.verbs)


def subresource_kind(row: ServedResource, subresource: Subresource) -> tuple[str, str, str]:
    """(group, version, kind) of what it answers with; group and version "" for those of the resource."""
    return subresource.answers or ("", "", row.resource.kind)


def _subresource(row: ServedResource, subresource: Subresource) -> Object:
    group, version, kind = subresource_kind(row, subresource)
    resource = row.resource
    entry: Object = {"name": f"{resource.plural}/{subresource.name}", "singularName": "", "namespaced": resource.namespaced}
    if group:
        entry |= {"group": group, "version": version}
    return entry | {"kind": kind, "verbs": list(subresource.verbs)}


def _hash(row: ServedResource) -> str:
    """Tells clients whether two versions of a resource are stored alike: for us, one and the same."""
    resource = row.resource
    return base64.b64encode(hashlib.sha256(f"{resource.group}/{resource.version}/{resource.kind}".encode()).digest()[:8]).decode()
