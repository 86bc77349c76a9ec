"""The HTTP client for webhooks: JSON out, JSON back, within a time and a size.

HTTP/1.1 over TLS, connections kept. A redirect is an answer like any other that is no success, proxies of the environment are not
used, and answers may not be compressed: what a webhook can make the server do is bounded by what it sends. The connections of one
webhook are not taken from another's. aiohttp is imported when the first webhook is called.
"""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pilothouse.engine.apiserver.webhooks.failures import TIMED_OUT, CallFailed, of_answer, posting
from pilothouse.engine.apiserver.webhooks.services import Services
from pilothouse.engine.apiserver.webhooks.target import WebhookTarget
from pilothouse.engine.apiserver.webhooks.trust import Trust
from pilothouse.model.body import SyntaxProblem, loads_strict
from pilothouse.model.json import Object, dumps

if TYPE_CHECKING:
    from pilothouse.engine.apiserver.webhooks.exchange import WebhookExchange

LONGEST_S = 30.0
"""Of a call that states no time of its own."""
ANSWER_BYTES = 8 * 1024 * 1024
"""Twice what a patch takes that replaces the largest object, in base64."""
_IN_A_THREAD_BYTES = 64 * 1024


class WebhookClient:
    """Made inside or outside of an event loop, used in one; `close` ends it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._trust = Trust()
        self._exchange: WebhookExchange | None = None
        # The worst answers take long to parse; more at a time would take the interpreter from the event loop.
        self._slots = asyncio.Semaphore(1)

    async def post(self, target: WebhookTarget, document: Object, *, timeout_s: float = LONGEST_S) -> Any:
        """The JSON value of a successful answer, of any shape. Raises CallFailed, in upstream's words."""
        url = target.with_timeout(timeout_s)
        try:
            async with asyncio.timeout(timeout_s) as timeout:
                return await self._decoded(await self._exchanged(target, url, dumps(document)))
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise CallFailed(posting(url, TIMED_OUT), code=504) from error

    async def close(self) -> None:
        if self._exchange is not None:
            await self._exchange.close()
            self._exchange = None

    async def _exchanged(self, target: WebhookTarget, url: str, body: bytes) -> bytes:
        exchange = await self._opened()
        tls = await self._trust.context(target.authorities)
        try:
            addresses = None if target.service is None else self._services.addresses(target.service)
        except CallFailed as failure:
            raise CallFailed(posting(url, failure.message), code=failure.code) from failure
        status, content_type, answer = await exchange.post(url, body, tls, addresses)
        if not 200 <= status <= 206:
            raise of_answer(status, content_type, answer)
        return answer

    async def _opened(self) -> "WebhookExchange":
        if self._exchange is None:
            await asyncio.to_thread(import_module, f"{__package__}.exchange")
            from pilothouse.engine.apiserver.webhooks.exchange import WebhookExchange

            self._exchange = self._exchange or WebhookExchange(ANSWER_BYTES)
        return self._exchange

    async def _decoded(self, answer: bytes) -> Any:
        if len(answer) < _IN_A_THREAD_BYTES:
            return _parsed(answer)
        async with self._slots:
            return await asyncio.to_thread(_parsed, answer)


def _parsed(answer: bytes) -> Any:
    try:
        return loads_strict(answer)[0]
    except SyntaxProblem as error:
        raise CallFailed(f"couldn't get version/kind; json parse error: {error}") from error
