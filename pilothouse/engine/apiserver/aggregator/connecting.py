"""Connections to other API servers: to an endpoint of the Service that an APIService names, over TLS, as the front proxy.

Nothing but endpoints of Services is connected to: no name is looked up, and no address of this machine's loopback or of a link is taken.
TLS contexts are kept by what they were made of; making one takes milliseconds and is done in a thread.
"""

import asyncio
import hashlib
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from pilothouse.engine.apiserver.aggregator.front_proxy import FrontProxy
from pilothouse.engine.apiserver.proxying.dialing import Connection
from pilothouse.engine.apiserver.relay import Reached
from pilothouse.engine.apiserver.resources.registration import Registration
from pilothouse.engine.apiserver.webhooks import failures
from pilothouse.engine.apiserver.webhooks.failures import CallFailed
from pilothouse.engine.apiserver.webhooks.services import Services
from pilothouse.engine.apiserver.webhooks.trust import new_context
from pilothouse.model.errors import Unavailable
from pilothouse.model.proxyable import is_proxyable
from pilothouse.wire.peer import keep_alive_probes

CONNECT_S = 5.0
MOST_TRIED = 3
_MOST_CONTEXTS = 100

SecureDial = Callable[[str, int, ssl.SSLContext, str], Awaitable[Connection]]
"""(address, port, context, the server's name in its certificate). Raises OSError."""


async def secure_dial(host: str, port: int, context: ssl.SSLContext, name: str) -> Connection:
    return await asyncio.open_connection(host, port, ssl=context, server_hostname=name)


class Connector:
    """front_proxy: None for a server that has no such identity; others then see nobody's certificate. dial: replaced by tests."""

    def __init__(self, services: Services, front_proxy: FrontProxy | None) -> None:
        self._services = services
        self._front_proxy = front_proxy
        self._contexts: OrderedDict[object, ssl.SSLContext] = OrderedDict()
        self.dial: SecureDial = secure_dial

    async def connect(self, to: Registration) -> Reached:
        """The first endpoint that lets itself be connected to, of at most `MOST_TRIED`. Raises Unavailable."""
        try:
            addresses = [each for each in self._services.addresses(to.service) if is_proxyable(each[0])][:MOST_TRIED]
            context = await self._context(to)
        except CallFailed as error:
            raise Unavailable(error.message) from error
        except OSError as error:  # Certificate and key do not belong together while they are being renewed.
            raise Unavailable(f"the front proxy's certificate cannot be used: {error}") from error
        failed = f'no endpoints available for service "{to.service.name}"'
        for address, port in addresses:
            authority = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            try:
                async with asyncio.timeout(CONNECT_S):
                    reader, writer = await self.dial(address, port, context, to.service.host)
            except OSError as error:  # TimeoutError among them
                failed = _why(error, authority, to.service.host)
                continue
            # Whoever is asked may take long: only so does anybody notice that it has vanished without a word.
            keep_alive_probes(writer.transport)
            return Reached(reader, writer, authority, f"{to.service.host}:{to.service.port}", f"apiservice {to.name}")
        raise Unavailable(failed)

    async def _context(self, to: Registration) -> ssl.SSLContext:
        """Raises CallFailed."""
        stamp = None if self._front_proxy is None else await asyncio.to_thread(self._front_proxy.stamp)
        key = hashlib.sha256(to.authorities).digest(), to.is_verified, stamp
        found = self._contexts.get(key)
        if found is None:
            found = self._contexts[key] = await asyncio.to_thread(_made, to, self._front_proxy)
            if len(self._contexts) > _MOST_CONTEXTS:
                self._contexts.popitem(last=False)
        self._contexts.move_to_end(key)
        return found


def _made(to: Registration, front_proxy: FrontProxy | None) -> ssl.SSLContext:
    """Raises CallFailed."""
    context = new_context(to.authorities)
    if not to.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if front_proxy is not None:
        context.load_cert_chain(front_proxy.certificate, front_proxy.key)
    return context


def _why(error: OSError, authority: str, host: str) -> str:
    if isinstance(error, TimeoutError):
        return f"dial tcp {authority}: i/o timeout"
    if isinstance(error, ssl.SSLError):
        return failures.of_certificate(error, host)
    return failures.of_connection(error, authority)
