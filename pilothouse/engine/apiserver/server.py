"""The API server: starts it on a store, and takes requests from sockets and from inside the process.

`ApiServer.open` starts it; `handle` is the HTTP handler; `call` is the way in for `InProcessTransport`. Both go through the same chain.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pilothouse.aio.tasks import TaskSet
from pilothouse.engine.apiserver import assembly
from pilothouse.engine.apiserver.assembly import Components
from pilothouse.engine.apiserver.chain.routes import Answer
from pilothouse.engine.apiserver.http.outlet import HttpOutlet
from pilothouse.engine.apiserver.identity import ANONYMOUS
from pilothouse.engine.apiserver.nodes import NodeConnector
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request import routing
from pilothouse.engine.apiserver.request.body import LIMIT_BYTES
from pilothouse.engine.apiserver.request.negotiate import Accepted
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import ApiError
from pilothouse.wire.messages import Request, Response

_TEXT = (("content-type", "text/plain; charset=utf-8"),)


class ApiServer:
    def __init__(self, components: Components) -> None:
        self.backend = components.backend
        self.fairness = components.fairness
        self.connector = components.connector
        self._authenticator = components.authenticator
        self._over_http = assembly.chain(components, HttpOutlet(components.backend.beside))
        self._in_process = assembly.chain(components, _InProcessOutlet())

    @classmethod
    @asynccontextmanager
    async def open(cls, store: Store, settings: Settings, nodes: NodeConnector | None = None) -> AsyncIterator["ApiServer"]:
        """A server with everything that every cluster has; its background work lasts as long as the block."""
        components = await assembly.assemble(store, settings, nodes)
        tasks = TaskSet()
        for each in components.upkeep:
            tasks.start(each.run())
        try:
            yield cls(components)
        finally:
            await tasks.close()
            await components.webhooks.close()

    async def handle(self, http: Request) -> Response | None:
        """The response, None when it has been streamed."""
        request = ApiRequest(http.method, routing.parse(http.path), queries.parse(http.query), http.headers, http.body, http=http)
        if request.target.incomplete:
            return _unclear(request.target.path)
        request.too_large = http.too_large
        response: Response | None = await self._over_http(request)
        return response

    def body_limit(self, http: Request) -> int:
        """Of a request's body, given its head: who is nobody may not make the server keep more than a stranger's share."""
        try:
            user = self._authenticator.authenticate(http)
        except ApiError:
            return 0
        return 0 if user is ANONYMOUS else LIMIT_BYTES

    async def call(self, request: ApiRequest) -> Answer:
        """The answer to a request of this process, whose user is known; raises ApiError."""
        answer: Answer = await self._in_process(request)
        return answer


def _unclear(path: str) -> Response:
    """Before anybody is asked who they are, as upstream: there is nothing yet that rights could be judged by."""
    text = f'Internal Server Error: "{path}": failed to create RequestInfo: unable to determine kind and namespace from url, {path}\n'
    return Response(500, _TEXT, text.encode("utf-8", "replace"))


class _InProcessOutlet:
    """Answers and failures as they are (see `chain.stage.Outlet`)."""

    async def deliver(self, request: ApiRequest, answer: Answer, accepted: Accepted) -> Answer:
        return answer

    async def refuse(self, request: ApiRequest, failure: ApiError) -> Answer:
        raise failure
