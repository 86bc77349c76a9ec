"""A client's request sent on over a connection, and the answer on its way back: what all proxies of the API server have in common."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import urlencode

from pilothouse.engine.apiserver.answer import Tunnel
from pilothouse.engine.apiserver.proxying import headers
from pilothouse.engine.apiserver.proxying.exchange import Exchange, Outgoing
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.model.errors import Unavailable

NO_STORE = ("cache-control", "no-cache, private")


@dataclass(frozen=True, slots=True)
class Reached:
    """Who is to answer. authority: its host and port. host: for the Host header. name: what failures call it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    authority: str
    host: str
    name: str


def pairs_of(request: ApiRequest) -> list[headers.Pair]:
    """The request's headers, names in lower case."""
    if request.http is not None:
        return list(request.http.headers)
    stated = [("accept", request.accept), ("content-type", request.content_type)]
    return [(name, value) for name, value in stated if value]


def query_of(request: ApiRequest) -> str:
    """As it came, percent-encoded."""
    return request.http.query if request.http is not None else urlencode(request.query, doseq=True)


def client_of(request: ApiRequest) -> str:
    """Its address, "" for one in this process."""
    return request.http.peer.host if request.http is not None else ""


async def begin(reached: Reached, outgoing: Outgoing, *, is_upgrade: bool) -> Exchange:
    """Send the request and wait for the head of its answer. Raises Unavailable; the connection is closed then."""
    exchange = Exchange(reached.reader, reached.writer)
    try:
        await exchange.send(outgoing)
        if exchange.is_upgraded and not is_upgrade:
            raise EOFError("it speaks another protocol than it has been asked in")
    except (OSError, EOFError, ValueError) as error:
        exchange.close()
        raise Unavailable(f"error trying to reach {reached.name}: {str(error) or 'the connection has broken'}") from error
    except BaseException:
        exchange.close()
        raise
    return exchange


def tunnel(exchange: Exchange) -> Tunnel:
    """What an upgrade that has been accepted becomes."""
    return Tunnel(exchange.header("upgrade"), headers.returned(exchange.headers), exchange.upgraded())


async def pieces(exchange: Exchange, name: str) -> AsyncGenerator[bytes, None]:
    """Of the body; closes the connection. Raises Unavailable where it ends too early: then the client's is cut short as well."""
    try:
        async with aclosing(exchange.pieces()) as found:
            async for piece in found:
                yield piece
    except (OSError, EOFError) as error:
        raise Unavailable(f"{name} has not gone on with its answer: {error}") from error
