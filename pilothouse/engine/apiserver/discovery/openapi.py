"""OpenAPI documents: version 3, one document a group and version, and version 2, everything in one.

A document is built when somebody asks for it and kept as bytes until what it describes changes; the trees that it is built from
are never kept. The index names each document with a hash, so that clients fetch only what has changed.
"""

import gzip
import hashlib
from collections.abc import Callable

from pilothouse.engine.apiserver.answer import RawResponse
from pilothouse.engine.apiserver.discovery import gnostic
from pilothouse.engine.apiserver.discovery.operations import Style, paths_of
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.negotiate import clauses
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource, ServedResources
from pilothouse.model.json import Object, dumps
from pilothouse.model.schema.openapi import V2, V3, definitions
from pilothouse.model.version import KUBERNETES

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_ALWAYS = [f"{_META}.{name}" for name in ("APIResourceList", "DeleteOptions", "Patch", "Status", "WatchEvent")]
_INFO = {"title": "Kubernetes", "version": KUBERNETES}


class OpenApi:
    def __init__(self, table: ServedResources) -> None:
        self._table = table
        self._documents: dict[str, tuple[str, bytes]] = {}

    def v3_index(self, request: ApiRequest) -> RawResponse:
        paths = {
            name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={self._hash(self._table.rows(group, version))}"}
            for name, group, version in self._names()
        }
        return RawResponse(dumps({"paths": paths}), "application/json")

    def v3(self, request: ApiRequest, path: str) -> RawResponse:
        found = next(((group, version) for name, group, version in self._names() if name == path.strip("/")), None)
        if found is None:
            return RawResponse(b"", "", 404)
        rows = self._table.rows(*found)
        body = self._document(path, rows, Style(3, V3))
        caching = [("cache-control", "public, immutable")] if queries.first(request.query, "hash") else []
        return _sent(request, body, caching)

    def v2(self, request: ApiRequest) -> RawResponse:
        accepted = [clause.media for clause in clauses(request.accept)]
        if accepted[:1] == [gnostic.ACCEPTED]:
            body = self._document("v2 protobuf", list(self._table), Style(2, V2), gnostic.encode)
            return _sent(request, body, [], gnostic.CONTENT_TYPE)
        if accepted and not {"application/json", "*/*", "application/*"} & set(accepted):
            return RawResponse(b"", "", 406)
        return _sent(request, self._document("v2", list(self._table), Style(2, V2)), [])

    def _names(self) -> list[tuple[str, str, str]]:
        """(path in the index, group, version) of every document."""
        return [
            (f"apis/{group}/{version}" if group else f"api/{version}", group, version)
            for group in self._table.groups()
            for version in self._table.versions(group)
        ]

    def _hash(self, rows: list[ServedResource]) -> str:
        facts = [[row.resource.path(), list(row.resource.subresources), row.openapi] for row in rows]
        return hashlib.sha512(dumps([KUBERNETES, facts])).hexdigest()[:128].upper()

    def _document(self, name: str, rows: list[ServedResource], style: Style, encode: Callable[[Object], bytes] = dumps) -> bytes:
        """The document, compressed."""
        hash = self._hash(rows)
        kept = self._documents.get(name)
        if kept is None or kept[0] != hash:
            kept = self._documents[name] = hash, gzip.compress(encode(_build(rows, style)), 6)
        return kept[1]


def _sent(request: ApiRequest, body: bytes, headers: list[tuple[str, str]], media: str = "application/json") -> RawResponse:
    if "gzip" in (request.headers.get("accept-encoding") or ""):
        return RawResponse(body, media, headers=[*headers, ("content-encoding", "gzip"), ("vary", "Accept-Encoding")])
    return RawResponse(gzip.decompress(body), media, headers=headers)


def definition_name(row: ServedResource) -> str:
    """The name of a resource's schema; a custom one is named after its group, backwards."""
    if not row.custom:
        return row.kind.definition
    resource = row.resource
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def _build(rows: list[ServedResource], style: Style) -> Object:
    roots = [*_ALWAYS, *(each.definition for row in rows for each in row.kind.subresources.values() if each.definition)]
    for row in rows:
        if not row.custom:
            roots += [row.kind.definition, f"{row.kind.definition}List"]
    schemas = definitions([*roots, f"{_META}.ObjectMeta", f"{_META}.ListMeta"], style.reference)
    paths: dict[str, Object] = {}
    for row in rows:
        name = definition_name(row)
        if row.custom:
            schemas |= _custom(row, name, style)
        paths |= paths_of(row, name, style)
    paths |= {path: {"get": _discovery(path, style)} for path in {_version_path(row) for row in rows}}
    ordered, named = dict(sorted(paths.items())), dict(sorted(schemas.items()))
    if style.version == 2:
        return {"swagger": "2.0", "info": _INFO, "paths": ordered, "definitions": named}
    return {"openapi": "3.0.0", "info": _INFO, "paths": ordered, "components": {"schemas": named}}


def _version_path(row: ServedResource) -> str:
    resource = row.resource
    return f"/apis/{resource.group}/{resource.version}/" if resource.group else f"/api/{resource.version}/"


def _discovery(path: str, style: Style) -> Object:
    parts = path.strip("/").split("/")[1:]
    words = "".join(part.removesuffix(".k8s.io").capitalize() for part in parts)
    return {"operationId": f"get{words}APIResources", "responses": {"200": {"description": "OK"}, "401": {"description": "Unauthorized"}}}


def _custom(row: ServedResource, name: str, style: Style) -> dict[str, Object]:
    """The schemas of a custom resource and of its list."""
    resource = row.resource
    kinds = [{"group": resource.group, "kind": resource.kind, "version": resource.version}]
    lists = [{"group": resource.group, "kind": row.list_kind, "version": resource.version}]
    text = {"type": "string"}
    base = dict(row.openapi or {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    properties = {"apiVersion": text, "kind": text, "metadata": _reference(f"{_META}.ObjectMeta", style)}
    own = base | {"properties": (base.get("properties") or {}) | properties, "x-kubernetes-group-version-kind": kinds}
    items = {"type": "array", "items": _reference(name, style)}
    listed = {
        "type": "object",
        "required": ["items"],
        "properties": {"apiVersion": text, "kind": text, "items": items, "metadata": _reference(f"{_META}.ListMeta", style)},
        "x-kubernetes-group-version-kind": lists,
    }
    return {name: own, f"{name}List": listed}


def _reference(name: str, style: Style) -> Object:
    reference = {"$ref": style.reference + name}
    return {"allOf": [reference]} if style.version == 3 else reference
