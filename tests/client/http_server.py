"""A FakeCluster behind real HTTP, by aiohttp's server: an implementation of HTTP that is not ours."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

from aiohttp import WSMsgType, web

from pilothouse.client.transport import Call
from pilothouse.model.errors import ApiError, BadRequest
from pilothouse.model.json import dumps, loads
from pilothouse.model.selector import SelectorError
from tests.client.fake_cluster import FakeCluster

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class HttpServer:
    """`overrides`: handlers for paths that a test wants answered in its own way. `requests`: what came in."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.overrides: dict[str, Handler] = {}
        self.requests: list[web.BaseRequest] = []
        self.port = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        try:
            if request.path in self.overrides:
                return await self.overrides[request.path](request)
            return await self._answer(request)
        except ApiError as error:
            return web.Response(status=error.code, body=dumps(error.to_status()), content_type="application/json")

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        query = tuple(request.query.items())
        content_type = request.headers.get("Content-Type", "application/json")
        call = Call(request.method, request.path, query, loads(body) if body else None, content_type)
        try:
            if request.query.get("watch") == "true":
                return await self._watch(request, call)
            return web.Response(body=dumps(self.cluster.handle(call)), content_type="application/json")
        except SelectorError as error:
            raise BadRequest(str(error)) from error

    async def _watch(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        async with aclosing(self.cluster.watch(call)) as events:
            await anext(events)
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            try:
                async for event in events:
                    await response.write(dumps({"type": event.type, "object": event.object}) + b"\n")
            except ApiError as error:
                if error.code == 503:
                    assert request.transport is not None
                    request.transport.abort()
                else:
                    await response.write(dumps({"type": "ERROR", "object": error.to_status()}) + b"\n")
        return response


@asynccontextmanager
async def serve(cluster: FakeCluster, tls: ssl.SSLContext | None = None) -> AsyncIterator[HttpServer]:
    server = HttpServer(cluster)
    runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    """A WebSocket that sends back what it gets and closes at an empty message."""
    socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",), max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.BINARY and message.data:
            await socket.send_bytes(message.data)
        else:
            await socket.close()
    return socket
