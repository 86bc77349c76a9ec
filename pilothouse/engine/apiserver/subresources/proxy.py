"""pods/proxy, services/proxy and nodes/proxy: a request that the API server makes for whoever may use the subresource.

    /api/v1/namespaces/NAMESPACE/{pods,services}/[SCHEME:]NAME[:PORT]/proxy/PATH
    /api/v1/nodes/[https:]NAME[:PORT]/proxy/PATH

The answer passes as it comes, however long it is and takes, and an upgrade (a WebSocket, SPDY) becomes a connection. A request's body is
one of the API's, with its limit. Of a node only its kubelet API is reached; a session with a container through it needs `create`
whatever its method, since a WebSocket begins with a GET, and starting a program is no reading.
Source: kubernetes pkg/registry/core/{pod,service,node}/rest, apimachinery/pkg/util/proxy/upgradeaware.go.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from urllib.parse import quote

from pilothouse.engine.apiserver import relay
from pilothouse.engine.apiserver.answer import RawResponse, StreamResponse, Tunnel
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.proxying import headers
from pilothouse.engine.apiserver.proxying.dialing import why
from pilothouse.engine.apiserver.proxying.exchange import Exchange, Outgoing
from pilothouse.engine.apiserver.proxying.html import LinkRewriter
from pilothouse.engine.apiserver.proxying.links import Links
from pilothouse.engine.apiserver.proxying.named import split
from pilothouse.engine.apiserver.relay import NO_STORE, Reached
from pilothouse.engine.apiserver.request import body as bodies
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.subresources.locations import Location, pod_location, service_location
from pilothouse.engine.apiserver.subresources.session import check_create
from pilothouse.engine.apiserver.write import storage
from pilothouse.model.digits import natural
from pilothouse.model.errors import BadRequest, Unavailable
from pilothouse.model.json import Object
from pilothouse.wire.peer import keep_alive_probes

_HTML = "text/html"
_REWRITTEN_AT_ONCE = 4 * 1024
"""Bytes of HTML between two turns of the event loop: some milliseconds where there are nothing but tags."""


Reach = Callable[[], Awaitable[Reached]]
"""Connects. Raises Unavailable."""


async def ask(backend: Backend, request: ApiRequest, served: ServedResource) -> StreamResponse | RawResponse | Tunnel:
    pairs = relay.pairs_of(request)
    is_upgrade = headers.is_upgrade(pairs)
    if request.too_large:
        raise bodies.too_large()
    reach = _REACHES[served.resource.plural](backend, request, served)
    if is_upgrade and served.resource.plural == "nodes":
        check_create(backend, request)
    if not is_upgrade and not request.target.rest and request.method in ("GET", "HEAD"):
        return _with_slash(request)
    reached = await reach()
    exchange = await relay.begin(reached, _outgoing(request, reached, pairs), is_upgrade=is_upgrade)
    return relay.tunnel(exchange) if exchange.is_upgraded else _answer(request, reached, exchange)


def _to_pod(backend: Backend, request: ApiRequest, served: ServedResource) -> Reach:
    return partial(_dial, backend, request, pod_location(backend, request, served))


def _to_service(backend: Backend, request: ApiRequest, served: ServedResource) -> Reach:
    return partial(_dial, backend, request, service_location(backend, request, served))


async def _dial(backend: Backend, request: ApiRequest, location: Location) -> Reached:
    """The first that lets itself be connected to."""
    failures: list[str] = []
    for address, port in location.addresses:
        authority = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        try:
            reader, writer = await backend.dial(address, port, tls=location.tls)
        except OSError as error:
            failures.append(why(error, authority))
            continue
        # Whoever is asked may take long: only so does anybody notice that it has vanished without a word.
        keep_alive_probes(writer.transport)
        return Reached(reader, writer, authority, request.headers.get("host") or authority, "service")
    raise Unavailable(f"error trying to reach service: {failures[0]}")


def _to_node(backend: Backend, request: ApiRequest, served: ServedResource) -> Reach:
    named = split(request.name)
    if named is None or (named.scheme != "https" and request.name.count(":") > 1):
        raise BadRequest(f"invalid node request {request.name!r}: name the node as NAME, NAME:PORT or https:NAME:PORT")
    node = storage.existing(backend.store, served, "", named.name).value
    _check_port(node, named.port)
    return partial(_kubelet, backend, node)


def _check_port(node: Object, port: str) -> None:
    own = str((((node.get("status") or {}).get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port", ""))
    if port and port != own:
        raise BadRequest(f"only the kubelet API of a node is reached through nodes/proxy: leave the port out, or name {own}")


async def _kubelet(backend: Backend, node: Object) -> Reached:
    name = node["metadata"]["name"]
    if backend.proxy is None:
        raise Unavailable(f"node {name} cannot be reached from this server")
    reader, writer, authority = await backend.proxy.connect(node)
    return Reached(reader, writer, authority, authority, f"node {name}")


_REACHES: Mapping[str, Callable[[Backend, ApiRequest, ServedResource], Reach]] = {
    "pods": _to_pod,
    "services": _to_service,
    "nodes": _to_node,
}


def _outgoing(request: ApiRequest, reached: Reached, pairs: list[headers.Pair]) -> Outgoing:
    body = request.body if isinstance(request.body, bytes) else b""
    path, query = request.target.rest or "/", relay.query_of(request)
    sent = headers.sent(pairs, client=relay.client_of(request), uri=_prefix(request) + path)
    return Outgoing(request.method, f"{path}?{query}" if query else path, reached.host, tuple(sent), body)


def _prefix(request: ApiRequest) -> str:
    """The path of the proxy itself, as clients follow links to it."""
    target = request.target
    place = f"/namespaces/{target.namespace}" if target.namespace else ""
    return quote(f"/{target.prefix}/{target.version}{place}/{target.resource}/{target.name}/{target.subresource}", safe="/:")


def _with_slash(request: ApiRequest) -> RawResponse:
    """Relative links of what is behind a proxy lead through it only from below its path."""
    query = relay.query_of(request)
    location = _prefix(request) + "/" + (f"?{query}" if query else "")
    return RawResponse(b"", "", 301, [("location", location), NO_STORE])


def _answer(request: ApiRequest, reached: Reached, exchange: Exchange) -> StreamResponse:
    links = Links(_prefix(request), reached.authority, reached.host)
    found = [(name, links.through(value) if name == "location" else value) for name, value in headers.returned(exchange.headers)]
    if not any(name == "cache-control" for name, _ in found):
        found.append(NO_STORE)
    rewriter = LinkRewriter(links.through) if _has_links(exchange) else None
    length = natural(exchange.header("content-length")) if rewriter is None and exchange.may_have_body else None
    return StreamResponse(_pieces(exchange, reached, rewriter), exchange.header("content-type"), exchange.status, found, length)


def _has_links(exchange: Exchange) -> bool:
    """As upstream: not those of a redirect, and not where the text would have to be unpacked."""
    media, _, parameters = exchange.header("content-type").lower().partition(";")
    is_plain = exchange.header("content-encoding").lower() in ("", "identity") and "utf-16" not in parameters
    return media.strip() == _HTML and is_plain and not exchange.header("location")


async def _pieces(exchange: Exchange, reached: Reached, rewriter: LinkRewriter | None) -> AsyncGenerator[bytes, None]:
    """Raises Unavailable where the body ends too early."""
    async with aclosing(relay.pieces(exchange, reached.name)) as pieces:
        async for piece in pieces:
            if rewriter is None:
                yield piece
                continue
            for start in range(0, len(piece), _REWRITTEN_AT_ONCE):
                if passed := rewriter.feed(piece[start : start + _REWRITTEN_AT_ONCE]):
                    yield passed
                await asyncio.sleep(0)
    if rewriter is not None and (left := rewriter.end()):
        yield left
