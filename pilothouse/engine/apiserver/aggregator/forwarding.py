"""Requests for versions that another server answers for: sent on as they came, in the name of who asks, once that one may ask.

Rights have been checked before, as for everything; the other server may check again. What the client says of its identity stays here, and
so does its token. The answer passes as it comes, however long it is and takes; an upgrade becomes a connection. The request's place among
those of this server is given up meanwhile: an other server that is slow must not take places from requests that this one answers.
Source: kube-aggregator pkg/apiserver/handler_proxy.go.
"""

from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from urllib.parse import quote, urlencode

from pilothouse.engine.apiserver import relay
from pilothouse.engine.apiserver.aggregator.connecting import Connector
from pilothouse.engine.apiserver.aggregator.front_proxy import identifying
from pilothouse.engine.apiserver.aggregator.places import Places
from pilothouse.engine.apiserver.answer import StreamResponse, Tunnel
from pilothouse.engine.apiserver.proxying import headers
from pilothouse.engine.apiserver.proxying.exchange import Exchange, Outgoing
from pilothouse.engine.apiserver.proxying.headers import Pair
from pilothouse.engine.apiserver.proxying.links import Links
from pilothouse.engine.apiserver.relay import Reached
from pilothouse.engine.apiserver.request import body as bodies
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.registration import Registration
from pilothouse.model.digits import natural
from pilothouse.model.errors import BadRequest, Unavailable
from pilothouse.model.json import dumps
from pilothouse.wire.spdy import Pipe

_IN_PATH = "/:*@!$&'()+,;=~"
"""What a path may hold as it is."""


class Forwarder:
    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._places = Places()

    async def forward(self, request: ApiRequest, to: Registration, *, is_long: bool) -> StreamResponse | Tunnel:
        """is_long: whether the request may take as long as its client wants.

        Raises Unavailable, BadRequest, RequestTooLarge, TooManyRequests, Forbidden for a user who cannot be named to the other server.
        """
        pairs = relay.pairs_of(request)
        is_upgrade = headers.is_upgrade(pairs)
        if any(part in ("", ".", "..") for part in request.target.path.strip("/").split("/")):
            raise BadRequest("a path to another server may hold no empty part, and none of dots: write the path that is meant")
        if request.too_large:
            raise bodies.too_large()
        if not to.is_available:
            raise Unavailable(f"apiservice {to.name} is unavailable: {to.why or 'it has not been asked yet'}")
        own = identifying(request.user)
        with ExitStack() as stack:
            stack.enter_context(self._places.taken(to.name, is_long=is_long or is_upgrade))
            request.release()
            reached = await self._connector.connect(to)
            exchange = await relay.begin(reached, _outgoing(request, reached, pairs, own), is_upgrade=is_upgrade)
            # From here on whoever takes the answer to its end gives the place back.
            place = stack.pop_all()
        if exchange.is_upgraded:
            request.deadline = None
            found = relay.tunnel(exchange)
            return Tunnel(found.protocol, found.headers, _Placed(found.pipe, place))
        return _answer(reached, exchange, place)


def _outgoing(request: ApiRequest, reached: Reached, pairs: list[Pair], own: list[Pair]) -> Outgoing:
    """Path and query are written anew from what rights were judged by: another server must not read another thing in them."""
    path, query = quote(request.target.path, safe=_IN_PATH), urlencode(request.query, doseq=True)
    sent = headers.sent(pairs, client=relay.client_of(request), uri=path)
    body = request.body if isinstance(request.body, bytes) else dumps(request.body)
    return Outgoing(request.method, f"{path}?{query}" if query else path, reached.host, (*sent, *own), body)


def _answer(reached: Reached, exchange: Exchange, place: ExitStack) -> StreamResponse:
    links = Links("", reached.authority, reached.host)
    found = [(name, links.through(value) if name == "location" else value) for name, value in headers.returned(exchange.headers)]
    length = natural(exchange.header("content-length")) if exchange.may_have_body else None
    return StreamResponse(_Pieces(exchange, reached.name, place), exchange.header("content-type"), exchange.status, found, length)


class _Pieces:
    """Of an answer's body; the place is given back when it ends or is closed, also by who has not begun to read it."""

    def __init__(self, exchange: Exchange, name: str, place: ExitStack) -> None:
        self._exchange = exchange
        self._pieces: AsyncGenerator[bytes, None] = relay.pieces(exchange, name)
        self._place = place

    def __aiter__(self) -> "_Pieces":
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        self._place.close()
        async with aclosing(self._pieces):
            self._exchange.close()


class _Placed:
    """A connection that gives its place back at its end (see `wire.spdy.Pipe`)."""

    def __init__(self, pipe: Pipe, place: ExitStack) -> None:
        self._pipe = pipe
        self._place = place

    async def receive(self) -> bytes | None:
        return await self._pipe.receive()

    async def send(self, data: bytes) -> None:
        await self._pipe.send(data)

    async def close(self) -> None:
        self._place.close()
        await self._pipe.close()
