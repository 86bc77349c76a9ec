"""Everything that is served and is no resource: discovery, schemas, health, metrics, version, the tokens' public key.

One table from path to answer. Some of these paths answer any method (their handlers upstream do not look at it), the others only GET.
"""

import hashlib
from collections.abc import Callable
from functools import partial

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.aggregator.findings import Findings
from pilothouse.engine.apiserver.answer import DocumentResponse, RawResponse
from pilothouse.engine.apiserver.authn.tokens import Tokens
from pilothouse.engine.apiserver.discovery import aggregated, legacy, sources, version
from pilothouse.engine.apiserver.discovery.health import Health
from pilothouse.engine.apiserver.discovery.openapi import OpenApi
from pilothouse.engine.apiserver.metrics import CONTENT_TYPE as METRICS_TYPE
from pilothouse.engine.apiserver.metrics import Metrics
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.lookup import not_allowed, unknown
from pilothouse.engine.apiserver.request.negotiate import choose, has_already
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResources
from pilothouse.model.json import dumps

Document = Callable[[ApiRequest], DocumentResponse | RawResponse]
_TEXT = "text/plain; charset=utf-8"
_HEALTH = ("healthz", "livez", "readyz")


def page_not_found() -> RawResponse:
    return RawResponse(b"404 page not found\n", _TEXT, 404)


class Documents:
    """findings: what other servers serve; address: by which clients reach this one."""

    def __init__(
        self,
        table: ServedResources,
        findings: Findings,
        openapi: OpenApi,
        health: Health,
        metrics: Metrics,
        tokens: Tokens,
        address: str,
    ) -> None:
        self._table = table
        self._findings = findings
        self._openapi = openapi
        self._health = health
        self._metrics = metrics
        self._tokens = tokens
        self._address = address
        self._any_method: dict[str, Document] = {
            "": self._root,
            "index.html": self._root,
            "apis": self._groups,
            "metrics": self._metric_text,
            "openapi/v2": openapi.v2,
            "openapi/v3": openapi.v3_index,
        }
        self._get_only: dict[str, Document] = {
            "api": self._core,
            "version": lambda request: DocumentResponse(version.version_info()),
            ".well-known/openid-configuration": self._issuer,
            "openid/v1/jwks": lambda request: RawResponse(dumps(tokens.signer.jwks()), "application/jwk-set+json"),
        }

    async def prepare(self, request: ApiRequest, beside: Beside) -> None:
        """What would hold the event loop for long is made beside it, for `answer` to take."""
        name = request.target.path.strip("/")
        if name.startswith("openapi/"):
            await self._openapi.prepare(request, name.removeprefix("openapi/"), beside)
        elif name == "version":
            await beside.run(partial(sources.digest, version.PROGRAM))

    def answer(self, request: ApiRequest) -> DocumentResponse | RawResponse:
        """Raises NotFound, MethodNotAllowed, NotAcceptable; an unknown path is a plain 404."""
        path = request.target.path
        if path.startswith("//"):
            return page_not_found()
        name = path.strip("/")
        document = self._any_method.get(name)
        if document is not None:
            return document(request)
        document = self._get_only.get(name)
        if document is not None:
            return _only_get(request, document)
        first, _, rest = name.partition("/")
        if first in _HEALTH:
            return self._health_of(request)
        if first in ("api", "apis"):
            return self._below(request, first, rest)
        if name.startswith("openapi/v3/"):
            return self._openapi.v3(request, name.removeprefix("openapi/v3/"))
        return page_not_found()

    def _below(self, request: ApiRequest, prefix: str, rest: str) -> DocumentResponse | RawResponse:
        """A group, or a group's version."""
        group, _, version = rest.partition("/") if prefix == "apis" else ("", "", rest)
        if not self._table.has_group(group) and not self._table.foreign.versions(group):
            return page_not_found()
        choose(request.accept, tables=False)
        if prefix == "apis" and not version:
            return DocumentResponse(legacy.group(self._table, group))
        if version not in self._table.versions(group):
            if self._table.is_custom(group):
                return page_not_found()
            raise unknown()
        return _only_get(request, lambda asked: DocumentResponse(legacy.resource_list(self._table, group, version)))

    def _core(self, request: ApiRequest) -> DocumentResponse | RawResponse:
        if aggregated.wanted(request.accept):
            return _aggregated(request, aggregated.document(self._table, [""], self._findings))
        choose(request.accept, tables=False)
        return DocumentResponse(legacy.api_versions(self._address))

    def _groups(self, request: ApiRequest) -> DocumentResponse | RawResponse:
        if aggregated.wanted(request.accept):
            return _aggregated(
                request, aggregated.document(self._table, [name for name in self._table.all_groups() if name], self._findings)
            )
        choose(request.accept, tables=False)
        return DocumentResponse(legacy.group_list(self._table))

    def _root(self, request: ApiRequest) -> DocumentResponse:
        paths = {f"/{name}" for name in (*self._any_method, *self._get_only, *_HEALTH) if name and name != "index.html"}
        for row in self._table:
            group, version = row.resource.group, row.resource.version
            paths |= {f"/apis/{group}", f"/apis/{group}/{version}"} if group else {f"/api/{version}"}
        for other in self._table.others():
            paths |= {f"/apis/{other.group}", other.path}
        return DocumentResponse({"paths": sorted(paths)})

    def _health_of(self, request: ApiRequest) -> RawResponse:
        found = self._health.answer(
            request.target.path,
            verbose=queries.boolean(request.query, "verbose") or "verbose" in request.query,
            excluded=request.query.get("exclude", []),
        )
        if found is None:
            return page_not_found()
        status, text = found
        return RawResponse(text.encode(), _TEXT, status)

    def _metric_text(self, request: ApiRequest) -> RawResponse:
        return RawResponse(self._metrics.text().encode(), METRICS_TYPE)

    def _issuer(self, request: ApiRequest) -> RawResponse:
        issuer = self._tokens.issuer
        document = {
            "issuer": issuer,
            "jwks_uri": f"{self._address if '://' in self._address else f'https://{self._address}'}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }
        return RawResponse(dumps(document), "application/json")


def _aggregated(request: ApiRequest, document: dict[str, object]) -> RawResponse:
    """Clients keep the document and ask whether it still is the one they have."""
    body = dumps(document)
    tag = f'"{hashlib.sha512(body).hexdigest().upper()}"'
    headers = [("cache-control", "public"), ("vary", "Accept"), ("etag", tag)]
    if has_already(request.headers.get("if-none-match"), tag):
        return RawResponse(b"", "", 304, headers=headers)
    return RawResponse(body, aggregated.CONTENT_TYPE, headers=headers)


def _only_get(request: ApiRequest, document: Document) -> DocumentResponse | RawResponse:
    if request.method != "GET":
        raise not_allowed()
    return document(request)
