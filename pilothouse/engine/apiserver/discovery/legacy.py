"""Discovery as a document for each group and version. Pure functions of the table."""

import base64
import hashlib

from pilothouse.engine.apiserver.served import Served, Table
from pilothouse.model.json import Object

_STATUS_VERBS = ["get", "patch", "update"]
_SUBRESOURCES: dict[str, tuple[list[str], tuple[str, str, str] | None]] = {
    "status": (_STATUS_VERBS, None),
    "scale": (_STATUS_VERBS, ("autoscaling", "v1", "Scale")),
    "finalize": (["update"], None),
    "binding": (["create"], ("", "", "Binding")),
    "eviction": (["create"], ("policy", "v1", "Eviction")),
    "token": (["create"], ("authentication.k8s.io", "v1", "TokenRequest")),
    "log": (["get"], None),
    "exec": (["create", "get"], ("", "", "PodExecOptions")),
    "attach": (["create", "get"], ("", "", "PodAttachOptions")),
    "portforward": (["create", "get"], ("", "", "PodPortForwardOptions")),
}
_CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]


def api_versions(address: str) -> Object:
    ranges = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": ranges}


def group_list(table: Table) -> Object:
    groups = [_group(table, name) for name in table.groups() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(table: Table, name: str) -> Object:
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(table, name)}


def _group(table: Table, name: str) -> Object:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in table.versions(name)]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(table: Table, group: str, version: str) -> Object:
    """The resources of a group's version with their subresources behind them."""
    resources = [entry for row in table.rows(group, version) for entry in _entries(row)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def _entries(row: Served) -> list[Object]:
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
    if "get" in resource.verbs:
        entry["storageVersionHash"] = _hash(row)
    return [entry, *(_subresource(row, name) for name in resource.subresources)]


def verbs_of(row: Served) -> list[str]:
    return _CUSTOM_VERBS if row.custom else list(row.resource.verbs)


def subresource_facts(row: Served, name: str) -> tuple[list[str], tuple[str, str, str]]:
    """(verbs, (group, version, kind) of what it answers with)."""
    verbs, answers = _SUBRESOURCES[name]
    if row.custom and name == "status":
        verbs = ["get", "patch", "update"]
    return verbs, answers or ("", "", row.resource.kind)


def _subresource(row: Served, name: str) -> Object:
    verbs, (group, version, kind) = subresource_facts(row, name)
    resource = row.resource
    entry: Object = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
    if group:
        entry |= {"group": group, "version": version}
    return entry | {"kind": kind, "verbs": verbs}


def _hash(row: Served) -> str:
    """Tells clients whether two versions of a resource are stored alike: for us, one and the same."""
    resource = row.resource
    return base64.b64encode(hashlib.sha256(f"{resource.group}/{resource.version}/{resource.kind}".encode()).digest()[:8]).decode()
