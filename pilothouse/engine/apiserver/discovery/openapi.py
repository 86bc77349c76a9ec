"""OpenAPI documents: version 3, one document a group and version, and version 2, everything in one.

A document is built when somebody asks for it and kept as bytes until what it describes changes; the trees that it is built from
are never kept. The index names each document with a hash, so that clients fetch only what has changed.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.aggregator.described import Described
from pilothouse.engine.apiserver.aggregator.description import merged
from pilothouse.engine.apiserver.aggregator.findings import Findings
from pilothouse.engine.apiserver.answer import RawResponse
from pilothouse.engine.apiserver.discovery import gnostic, plain_paths, sources
from pilothouse.engine.apiserver.discovery.custom import custom_schemas
from pilothouse.engine.apiserver.discovery.operations import paths_of
from pilothouse.engine.apiserver.discovery.plain_paths import DescribedDocument
from pilothouse.engine.apiserver.discovery.style import Style
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.negotiate import clauses, has_already
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource, ServedResources
from pilothouse.model import schema
from pilothouse.model.json import Object, dumps
from pilothouse.model.schema.openapi import V2, V3, definitions
from pilothouse.model.version import KUBERNETES

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_OF_VERBS = {
    "delete": ("DeleteOptions", "Status"),
    "deletecollection": ("DeleteOptions", "Status"),
    "list": ("ListMeta",),
    "patch": ("Patch",),
    "watch": ("WatchEvent",),
}
_WRITERS = (Path(__file__).parent, Path(schema.__file__).parent)
"""What writes documents. Clients keep them across updates of the server, which may write the same in another way."""
_INFO = {"title": "Kubernetes", "version": KUBERNETES}


class _Wanted(NamedTuple):
    """A document that is asked for. plain: the paths in it that are no resources, by their names. others: parts of other servers."""

    name: str
    rows: list[ServedResource]
    style: Style
    plain: Mapping[str, DescribedDocument] = MappingProxyType({})
    encode: Callable[[Object], bytes] = dumps
    others: tuple[Described, ...] = ()

    def made(self) -> bytes:
        """The document, compressed; in any thread, since nothing that it is made of changes."""
        document = _build(self.rows, self.plain, self.style)
        for each in self.others:
            document = merged(document, each.name, each.part())
        return gzip.compress(self.encode(document), 6)


class OpenApi:
    """findings: where other servers have their documents of version 3, which are listed here and asked of them."""

    def __init__(self, table: ServedResources, findings: Findings) -> None:
        self._table = table
        self._findings = findings
        self._documents: dict[str, tuple[str, bytes]] = {}
        self._making = asyncio.Lock()

    async def prepare(self, request: ApiRequest, path: str, beside: Beside) -> None:
        """Make the document at the path, below /openapi/, beside the event loop: with many custom resources it takes long."""
        async with self._making:
            version, _, name = path.strip("/").partition("/")
            wanted = self._wanted_v2(request) if version == "v2" else self._wanted_v3(name) if version == "v3" else None
            if wanted is None or self._kept(wanted.name, hash := self._hash_of(wanted)) is not None:
                return
            self._keep(wanted.name, hash, await beside.run(wanted.made))

    def v3_index(self, request: ApiRequest) -> RawResponse:
        hashes = {name: self._hash(self._table.rows(group, version)) for name, group, version in self._names()}
        hashes |= dict.fromkeys(plain_paths.documents(self._table.groups()), self._hash([]))
        paths = {name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={hash}"} for name, hash in sorted(hashes.items())}
        return RawResponse(dumps({"paths": dict(sorted((paths | self._of_others()).items()))}), "application/json")

    def _of_others(self) -> dict[str, Object]:
        found = ((each, self._findings.of(each)) for each in self._table.others())
        return {each.path.strip("/"): {"serverRelativeURL": known.openapi} for each, known in found if known is not None and known.openapi}

    def v3(self, request: ApiRequest, path: str) -> RawResponse:
        name = path.strip("/")
        wanted = self._wanted_v3(name)
        if wanted is None:
            return RawResponse(b"", "", 404)
        hash, body = self._document(wanted)
        asked = queries.first(request.query, "hash")
        if asked and asked != hash:
            # What is kept for ever under a hash has to be the document of that hash.
            return RawResponse(b"", "", 301, headers=[("location", f"/openapi/v3/{name}?hash={hash}")])
        return _sent(request, hash, body, [("cache-control", "public, immutable")] if asked else [])

    def v2(self, request: ApiRequest) -> RawResponse:
        wanted = self._wanted_v2(request)
        if wanted is None:
            return RawResponse(b"", "", 406)
        hash, body = self._document(wanted)
        if wanted.encode is gnostic.encode:
            return _sent(request, f"{hash}-protobuf", body, [], gnostic.CONTENT_TYPE)
        return _sent(request, hash, body, [])

    def _wanted_v3(self, name: str) -> _Wanted | None:
        """None when there is no such document."""
        plain = plain_paths.documents(self._table.groups()).get(name)
        if plain is not None:
            return _Wanted(name, [], Style(3, V3), {name: plain})
        found = next(((group, version) for each, group, version in self._names() if each == name), None)
        return None if found is None else _Wanted(name, self._table.rows(*found), Style(3, V3))

    def _wanted_v2(self, request: ApiRequest) -> _Wanted | None:
        """None for a client that takes no form of it."""
        accepted = [clause.media for clause in clauses(request.accept)]
        if accepted[:1] == [gnostic.ACCEPTED]:
            return _Wanted("v2 protobuf", self._own_rows(), Style(2, V2), encode=gnostic.encode, others=self._parts_of_others())
        if accepted and not {"application/json", "*/*", "application/*"} & set(accepted):
            return None
        plain = plain_paths.documents(self._table.groups())
        return _Wanted("v2", self._own_rows(), Style(2, V2), plain, others=self._parts_of_others())

    def _own_rows(self) -> list[ServedResource]:
        return [row for row in self._table if self._table.foreign_at(row.resource.group, row.resource.version) is None]

    def _parts_of_others(self) -> tuple[Described, ...]:
        found = (self._findings.of(each) for each in self._table.others())
        return tuple(known.described for known in found if known is not None and known.described is not None)

    def _names(self) -> list[tuple[str, str, str]]:
        """(path in the index, group, version) of every document of this server's own."""
        return [
            (f"apis/{group}/{version}" if group else f"api/{version}", group, version)
            for group in self._table.groups()
            for version in self._table.versions(group)
            if self._table.foreign_at(group, version) is None
        ]

    def _hash(self, rows: list[ServedResource]) -> str:
        facts = [[row.resource.path(), list(row.resource.subresources), row.openapi] for row in rows]
        return hashlib.sha512(dumps([KUBERNETES, sources.digest(*_WRITERS), facts])).hexdigest()[:128].upper()

    def _hash_of(self, wanted: _Wanted) -> str:
        own = self._hash(wanted.rows)
        digests = [each.digest for each in wanted.others]
        return hashlib.sha512(dumps([own, *digests])).hexdigest()[:128].upper() if digests else own

    def _document(self, wanted: _Wanted) -> tuple[str, bytes]:
        """The document's hash, and the document, compressed."""
        hash = self._hash_of(wanted)
        body = self._kept(wanted.name, hash)
        # `prepare` has made it, unless what it describes has changed since.
        return hash, self._keep(wanted.name, hash, wanted.made()) if body is None else body

    def _kept(self, name: str, hash: str) -> bytes | None:
        kept = self._documents.get(name)
        return kept[1] if kept is not None and kept[0] == hash else None

    def _keep(self, name: str, hash: str, body: bytes) -> bytes:
        self._forget_unserved()
        self._documents[name] = hash, body
        return body

    def _forget_unserved(self) -> None:
        served = {name for name, _, _ in self._names()} | set(plain_paths.documents(self._table.groups())) | {"v2", "v2 protobuf"}
        for name in self._documents.keys() - served:
            del self._documents[name]


def _sent(request: ApiRequest, hash: str, body: bytes, headers: list[tuple[str, str]], media: str = "application/json") -> RawResponse:
    """The compressed body as the client takes it, or 304 for a client that has it already."""
    tag = f'"{hash}"'
    headers = [*headers, ("etag", tag), ("vary", "Accept, Accept-Encoding")]
    if has_already(request.headers.get("if-none-match"), tag):
        return RawResponse(b"", "", 304, headers=headers)
    if "gzip" in (request.headers.get("accept-encoding") or ""):
        return RawResponse(body, media, headers=[*headers, ("content-encoding", "gzip")])
    return RawResponse(gzip.decompress(body), media, headers=headers)


def definition_name(row: ServedResource) -> str:
    """The name of a resource's schema; a custom one is named after its group, backwards."""
    if not row.custom:
        return row.kind.definition
    resource = row.resource
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def _build(rows: list[ServedResource], plain: Mapping[str, DescribedDocument], style: Style) -> Object:
    versions = {(row.resource.group, row.resource.version) for row in rows}
    named = {_version_path(*each): plain_paths.resources(*each) for each in versions} | {f"/{name}/": each for name, each in plain.items()}
    schemas = definitions(_roots(rows) | {each.definition for each in named.values()}, style.reference)
    paths: dict[str, Object] = {}
    for row in rows:
        name = definition_name(row)
        if row.custom or row.openapi is not None:
            schemas |= custom_schemas(row, name, style)
        paths |= paths_of(row, name, style)
    paths |= {path: plain_paths.path_item(document, style) for path, document in named.items()}
    ordered, described = dict(sorted(paths.items())), dict(sorted(schemas.items()))
    if style.version == 2:
        return {"swagger": "2.0", "info": _INFO, "paths": ordered, "definitions": described}
    return {"openapi": "3.0.0", "info": _INFO, "paths": ordered, "components": {"schemas": described}}


def _version_path(group: str, version: str) -> str:
    return f"/apis/{group}/{version}/" if group else f"/api/{version}/"


def _roots(rows: list[ServedResource]) -> set[str]:
    """The schemas that the paths of these resources speak of."""
    verbs = {verb for row in rows for verb in row.resource.verbs}
    roots = {f"{_META}.{name}" for verb in verbs for name in _OF_VERBS.get(verb, ())} | ({f"{_META}.ObjectMeta"} if rows else set())
    for row in rows:
        roots |= {each.definition for each in row.kind.subresources.values() if each.definition}
        if not row.custom:
            roots |= {row.kind.definition} | ({f"{row.kind.definition}List"} if "list" in row.resource.verbs else set())
    return roots
