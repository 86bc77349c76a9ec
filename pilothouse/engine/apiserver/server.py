"""The API server: wires the stages once, then answers requests from sockets and from inside the process.

`ApiServer.open` starts it on a store; `handle` is the HTTP handler; `call` is the way in for `InProcessTransport`. This is the
outermost layer: an ApiError becomes a Status here, anything else a 500 with its traceback in the log.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from pilothouse.aio.tasks import TaskSet
from pilothouse.engine.apiserver import assembly, pipeline, respond, routing, stream_watch
from pilothouse.engine.apiserver import body as bodies
from pilothouse.engine.apiserver import query as queries
from pilothouse.engine.apiserver.answer import Bytes, Many, One, Plain, Session, Streaming
from pilothouse.engine.apiserver.assembly import Parts
from pilothouse.engine.apiserver.authn.impersonate import impersonated
from pilothouse.engine.apiserver.authz.attributes import Attributes, forbidden
from pilothouse.engine.apiserver.authz.authorize import attributes
from pilothouse.engine.apiserver.backlog import Backlog
from pilothouse.engine.apiserver.body import LIMIT_BYTES
from pilothouse.engine.apiserver.documents import page_not_found
from pilothouse.engine.apiserver.frames import FrameCache
from pilothouse.engine.apiserver.identity import ANONYMOUS, User
from pilothouse.engine.apiserver.negotiate import Accepted, choose, media_of_error
from pilothouse.engine.apiserver.nodes import NodeConnector
from pilothouse.engine.apiserver.request import ApiRequest
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.apiserver.verbs.watch import Feed
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import ApiError, Forbidden, Internal
from pilothouse.wire.messages import HandshakeRefused, Request, Response
from pilothouse.wire.outlet import Disconnected

_THREADS = 2
"""Large bodies that are parsed or written at a time: the others wait, so that they do not take the interpreter from the event loop."""

_log = structlog.get_logger("apiserver")


class ApiServer:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.backend = parts.backend
        self._frames: dict[str, FrameCache] = {}
        self._backlog = Backlog()
        self._slots = asyncio.Semaphore(_THREADS)

    @classmethod
    @asynccontextmanager
    async def open(cls, store: Store, settings: Settings, nodes: NodeConnector | None = None) -> AsyncIterator["ApiServer"]:
        """A server with everything that every cluster has; its background work lasts as long as the block."""
        parts = await assembly.assemble(store, settings, nodes)
        tasks = TaskSet()
        for each in parts.upkeep:
            tasks.start(each.run())
        try:
            yield cls(parts)
        finally:
            await tasks.close()

    async def handle(self, http: Request) -> Response | None:
        started = time.perf_counter()
        request = ApiRequest(http.method, routing.parse(http.path), queries.parse(http.query), http.headers, http.body)
        request.too_large = http.too_large
        code = 200
        try:
            response = await self._answer(http, request)
            code = 200 if response is None else response.status
            return response
        except ApiError as failure:
            code = failure.code
            return await respond.error(request, failure, media_of_error(request.accept))
        except (Disconnected, HandshakeRefused, asyncio.CancelledError):
            raise
        except Exception as failure:
            code = 500
            _log.exception("request failed", method=http.method, target=http.target)
            return await respond.error(
                request, Internal(f"Internal error occurred: {type(failure).__name__}"), media_of_error(request.accept)
            )
        finally:
            self._parts.metrics.observe(self._measured(request), code, time.perf_counter() - started)

    def _measured(self, request: ApiRequest) -> tuple[str, str, str]:
        """What a request counts for. WHY not what its path says: anybody may ask for any path, and each name would stay for ever."""
        target = request.target
        if not target.is_resource:
            return request.verb, "", ""
        is_served = self.backend.table.find(target.group, target.version, target.resource) is not None
        return (request.verb, target.group, target.resource) if is_served else (request.verb, "other", "other")

    def body_limit(self, http: Request) -> int:
        """Of a request's body, given its head: who is nobody may not make the server keep more than a stranger's share."""
        try:
            user = self._parts.authenticator.authenticate(http)
        except ApiError:
            return 0
        return 0 if user is ANONYMOUS else LIMIT_BYTES

    async def _answer(self, http: Request, request: ApiRequest) -> Response | None:
        request.verb = pipeline.find_verb(request)
        request.user = self._who(http, request)
        self.backend.authorizer.authorize(request)
        if not request.target.is_resource:
            return await self._document(request)
        if self._is_no_page(request):
            return respond.raw(page_not_found())
        if not request.too_large:
            await bodies.prepare(request, self._slots)
        answer, accepted = await pipeline.run(self.backend, request)
        return await self._send(http, request, answer, accepted)

    def _is_no_page(self, request: ApiRequest) -> bool:
        """A group that nobody serves, or a version of a custom group: nothing is there that could answer with a Status."""
        table, target = self.backend.table, request.target
        if not table.has_group(target.group):
            return True
        return table.is_custom(target.group) and target.version not in table.versions(target.group)

    def _who(self, http: Request, request: ApiRequest) -> User:
        """Raises Unauthorized, Forbidden, BadRequest."""
        user = self._parts.authenticator.authenticate(http)
        pairs = http.headers.pairs
        if not any(name.startswith("impersonate-") for name, _ in pairs):
            return user
        request.user = user

        def check(asked: Attributes) -> None:
            try:
                self.backend.authorizer.check(asked)
            except Forbidden as error:
                mode = "serviceaccount" if asked.resource == "serviceaccounts" else "user-info"
                original = attributes(request)
                verb = f"impersonate-on:{mode}:{original.verb}"
                raise forbidden(
                    Attributes(
                        user,
                        verb,
                        original.namespace,
                        original.group,
                        original.resource,
                        original.subresource,
                        original.name,
                        original.path,
                    )
                ) from error

        return impersonated(user, http.headers, pairs, check)

    async def _document(self, request: ApiRequest) -> Response:
        answer = self._parts.documents.answer(request)
        if isinstance(answer, Bytes):
            return respond.raw(answer)
        accepted = choose(request.accept, tables=False)
        return await respond.whole(request, answer.status, await respond.encode(answer, accepted, "", self._slots), accepted.media)

    async def _send(self, http: Request, request: ApiRequest, answer: Any, accepted: Accepted) -> Response | None:
        include = request.option("includeObject")
        if isinstance(answer, One | Many | Plain):
            status = 200 if isinstance(answer, Many) else answer.status
            return await respond.whole(request, status, await respond.encode(answer, accepted, include, self._slots), accepted.media)
        if isinstance(answer, Bytes):
            return respond.raw(answer)
        if isinstance(answer, Feed):
            frames = self._frames.setdefault(answer.served.resource.path(), FrameCache())
            await stream_watch.serve(http, answer, accepted, include, frames, self._backlog)
        elif isinstance(answer, Streaming):
            await respond.stream_bytes(http, answer)
        elif isinstance(answer, Session):
            await respond.open_session(http, answer)
        return None

    async def call(self, request: ApiRequest) -> Any:
        """The answer to a request of this process, whose user is known: One, Many, Plain, Feed, ...; raises ApiError."""
        request.verb = pipeline.find_verb(request)
        self.backend.authorizer.authorize(request)
        if not request.target.is_resource:
            return self._parts.documents.answer(request)
        answer, _ = await pipeline.run(self.backend, request)
        return answer
