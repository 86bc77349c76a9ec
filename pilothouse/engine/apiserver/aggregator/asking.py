"""What this server asks others for by itself: discovery and OpenAPI documents, within bounds of time and size."""

import asyncio
from contextlib import aclosing
from typing import NamedTuple

from pilothouse.engine.apiserver import relay
from pilothouse.engine.apiserver.aggregator.connecting import Connector
from pilothouse.engine.apiserver.aggregator.front_proxy import identifying
from pilothouse.engine.apiserver.identity import MASTERS, User
from pilothouse.engine.apiserver.proxying.exchange import Outgoing
from pilothouse.engine.apiserver.resources.registration import Registration
from pilothouse.model.errors import Unavailable
from pilothouse.model.json import JSONError, Object, loads

WAIT_S = 5.0
MOST_BYTES = 1 << 20
AGGREGATOR = User("system:kube-aggregator", (MASTERS,))
"""Source: kube-aggregator pkg/controllers/status/remote: whatever the other server asks about rights, it is shown the discovery."""


class Document(NamedTuple):
    """value: None for what is no JSON object, and for any status but 200."""

    status: int
    value: Object | None


class Asker:
    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    async def get(self, to: Registration, target: str, *, most_bytes: int = MOST_BYTES) -> Document:
        """target: path and query. Raises Unavailable for a server that does not answer, answers too late or too much."""
        try:
            async with asyncio.timeout(WAIT_S):
                return await self._get(to, target, most_bytes)
        except TimeoutError as error:
            raise Unavailable("context deadline exceeded") from error

    async def _get(self, to: Registration, target: str, most_bytes: int) -> Document:
        reached = await self._connector.connect(to)
        headers = (("accept", "application/json"), ("accept-encoding", "identity"), ("connection", "close"), *identifying(AGGREGATOR))
        exchange = await relay.begin(reached, Outgoing("GET", target, reached.host, headers), is_upgrade=False)
        body = bytearray()
        async with aclosing(relay.pieces(exchange, reached.name)) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) > most_bytes:
                    raise Unavailable(f"the answer is longer than {most_bytes} bytes")
        if exchange.status != 200:
            return Document(exchange.status, None)
        try:
            value = await asyncio.to_thread(loads, bytes(body))
        except JSONError:
            value = None
        return Document(200, value if isinstance(value, dict) else None)
