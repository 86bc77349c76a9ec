"""The transport to any API server over HTTP(S): connections kept, credentials renewed, errors told as API errors.

aiohttp is imported when the first connection is made: a process that lives in the engine never pays for it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from pilothouse import __version__
from pilothouse.client.attempts import Attempts
from pilothouse.client.credentials import CredentialSource, Reload
from pilothouse.client.events import watch_events
from pilothouse.client.failures import refusal, unreachable
from pilothouse.client.keepalive import keep_alive
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.client.proxy import proxy_for
from pilothouse.client.transport import Call, Socket, WatchEvent
from pilothouse.client.websocket import HttpSocket
from pilothouse.model.errors import ApiError
from pilothouse.model.json import dumps, loads

if TYPE_CHECKING:
    import aiohttp

CONNECT_S = 10.0
HEARTBEAT_S = 30.0
READ_BUFFER_BYTES = 1 << 18
REFUSED = 400

T = TypeVar("T")


class HttpTransport:
    """A `client.transport.Transport`. Made inside or outside of an event loop, used in one.

    reload: see CredentialSource.
    """

    def __init__(self, kubeconfig: Kubeconfig, *, user_agent: str = f"pilothouse/{__version__}", reload: Reload | None = None) -> None:
        self.kubeconfig = kubeconfig
        self._user_agent = user_agent
        self._credentials = CredentialSource(kubeconfig, reload)
        self._attempts = Attempts(self._credentials, kubeconfig.server)
        self._proxy = kubeconfig.proxy_url or proxy_for(kubeconfig.server)
        self._session: aiohttp.ClientSession | None = None

    async def call(self, call: Call) -> Any:
        async def exchange() -> Any:
            response = await self._open(call)
            try:
                body = await self._told(response.read())
            finally:
                response.release()
            return loads(body) if "json" in response.content_type else body.decode(errors="replace")

        return await self._attempts.persist(call, exchange)

    @asynccontextmanager
    async def watch(self, call: Call) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        async with self.stream(call) as chunks, aclosing(watch_events(chunks, self.kubeconfig.server)) as events:
            yield events

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self._streaming(call) as response, aclosing(self._chunks(response)) as chunks:
            yield chunks

    @asynccontextmanager
    async def connect(self, call: Call, subprotocols: tuple[str, ...]) -> AsyncIterator[Socket]:
        upgraded = await self._attempts.persist(call, lambda: self._upgrade(call, subprotocols))
        opened = HttpSocket(upgraded)
        try:
            yield opened
        finally:
            await opened.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def _streaming(self, call: Call) -> "AsyncIterator[aiohttp.ClientResponse]":
        response = await self._attempts.persist(call, lambda: self._open(call))
        try:
            _keep_alive(response)
            yield response
        finally:
            response.close()

    async def _chunks(self, response: "aiohttp.ClientResponse") -> AsyncGenerator[bytes, None]:
        while chunk := await self._told(response.content.readany()):
            yield chunk

    async def _open(self, call: Call) -> "aiohttp.ClientResponse":
        """The answer's head; raises ApiError when it is a refusal."""
        session, options = await self._prepare(call)
        body = None if call.body is None else dumps(call.body)
        return await self._told(session.request(call.method, self._url(call), data=body, **options))

    async def _upgrade(self, call: Call, subprotocols: tuple[str, ...]) -> "aiohttp.ClientWebSocketResponse":
        session, options = await self._prepare(call)
        return await self._told(
            session.ws_connect(self._url(call), protocols=subprotocols, heartbeat=HEARTBEAT_S, max_msg_size=0, **options)
        )

    async def _prepare(self, call: Call) -> "tuple[aiohttp.ClientSession, dict[str, Any]]":
        credentials = await self._credentials.get()
        session = self._session = self._session or self._new_session()
        headers = [("Accept", call.accept), *credentials.headers]
        if call.body is not None:
            headers.append(("Content-Type", call.content_type))
        options: dict[str, Any] = {"headers": headers, "proxy": self._proxy}
        if credentials.tls is not None:
            options |= {"ssl": credentials.tls, "server_hostname": self.kubeconfig.tls_server_name}
        return session, options

    def _new_session(self) -> "aiohttp.ClientSession":
        import aiohttp

        return aiohttp.ClientSession(
            # Callers bound themselves (workers, one watch an informer); a pool's limit would let watches starve calls.
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            raise_for_status=_refuse,
            read_bufsize=READ_BUFFER_BYTES,
        )

    def _url(self, call: Call) -> Any:
        from yarl import URL

        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in call.query)
        return URL(f"{self.kubeconfig.server}{call.path}{'?' if query else ''}{query}", encoded=True)

    async def _told(self, doing: Awaitable[T]) -> T:
        """Await something of aiohttp; its errors become ours."""
        import aiohttp

        try:
            return await doing
        except aiohttp.WSServerHandshakeError as error:
            raise ApiError(f"{self.kubeconfig.server} does not speak WebSocket here: {error.message}", code=error.status or 500) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise unreachable(self.kubeconfig, error) from error


async def _refuse(response: "aiohttp.ClientResponse") -> None:
    """aiohttp asks this about every answer, that to an upgrade included."""
    if response.status >= REFUSED:
        body = await response.read()
        raise refusal(response.method, response.url.path, response.status, body, response.headers.get("Retry-After"))


def _keep_alive(response: "aiohttp.ClientResponse") -> None:
    connection = response.connection
    if connection is not None and connection.transport is not None:
        keep_alive(connection.transport)
