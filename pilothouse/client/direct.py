"""The transport of commands and of nodes: HTTP/1.1 over asyncio's streams, without a library that costs a command more time than the
request, and a process more memory than all its connections.

Connections are kept for the next call, for less time than servers keep them. It goes straight to the server; through a proxy goes
`client.http.HttpTransport`, which this one also asks for WebSockets.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import httptools

from pilothouse import __version__
from pilothouse.client.attempts import Attempts
from pilothouse.client.credentials import Credentials, CredentialSource, Reload
from pilothouse.client.events import watch_events
from pilothouse.client.failures import ConnectionLost, broken, refusal, unreached
from pilothouse.client.keepalive import keep_alive
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.client.transport import Call, Socket, WatchEvent
from pilothouse.model.json import dumps, loads

CONNECT_S = 10.0
CHUNK_BYTES = 1 << 18
IDLE_S = 60.0
"""How long a connection waits for its next call. Servers close theirs later, so that no call meets one that is about to be closed."""
REFUSED = 300
"""The first status that is no success; a redirect is refused, too."""


class DirectTransport:
    """A `client.transport.Transport`, used within one event loop. reload: see CredentialSource."""

    def __init__(self, kubeconfig: Kubeconfig, *, user_agent: str = f"pilothouse/{__version__}", reload: Reload | None = None) -> None:
        self.kubeconfig = kubeconfig
        self._user_agent = user_agent
        self._reload = reload
        self._credentials = CredentialSource(kubeconfig, reload)
        self._attempts = Attempts(self._credentials, kubeconfig.server)
        self._idle: list[_Connection] = []

    async def call(self, call: Call) -> Any:
        async def exchange() -> Any:
            answer = await self._open(call)
            try:
                body = b"".join([piece async for piece in answer.body()])
            except BaseException:
                await answer.connection.close()
                raise
            await self._keep(answer)
            return loads(body) if "json" in answer.header("content-type") else body.decode(errors="replace")

        return await self._attempts.persist(call, exchange)

    @asynccontextmanager
    async def watch(self, call: Call) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        async with self.stream(call) as chunks, aclosing(watch_events(chunks, self.kubeconfig.server)) as events:
            yield events

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[AsyncIterator[bytes]]:
        answer = await self._attempts.persist(call, lambda: self._open(call))
        answer.connection.keep_alive()
        try:
            async with aclosing(answer.body()) as pieces:
                yield pieces
        finally:
            await answer.connection.close()

    @asynccontextmanager
    async def connect(self, call: Call, subprotocols: tuple[str, ...]) -> AsyncIterator[Socket]:
        from pilothouse.client.http import HttpTransport

        async with AsyncExitStack() as stack:
            transport = HttpTransport(self.kubeconfig, user_agent=self._user_agent, reload=self._reload)
            stack.push_async_callback(transport.close)
            yield await stack.enter_async_context(transport.connect(call, subprotocols))

    async def close(self) -> None:
        """Ends the connections that rest; another call makes another one."""
        while self._idle:
            await self._idle.pop().close()

    async def _open(self, call: Call) -> "_Answer":
        """The answer's head; raises ApiError when it is a refusal."""
        credentials = await self._credentials.get()
        connection = await self._kept(credentials) or await self._connection(credentials)
        try:
            answer = await connection.exchange(self._head(call, credentials), b"" if call.body is None else dumps(call.body))
        except BaseException:
            await connection.close()
            # A network that has lost this one, or answers nothing on it, has mostly lost those that rest, too: each would cost a call.
            await self.close()
            raise
        if answer.status < REFUSED:
            return answer
        try:
            body = b"".join([piece async for piece in answer.body()])
        finally:
            await connection.close()
        raise refusal(call.method, call.path, answer.status, body, answer.header("retry-after") or None)

    async def _keep(self, answer: "_Answer") -> None:
        now = asyncio.get_running_loop().time()
        # The one that has rested longest is the first.
        while self._idle and now - self._idle[0].idle_since >= IDLE_S:
            await self._idle.pop(0).close()
        if answer.may_be_kept:
            answer.connection.idle_since = now
            self._idle.append(answer.connection)
        else:
            await answer.connection.close()

    async def _kept(self, credentials: Credentials) -> "_Connection | None":
        """One of an earlier call, with the same certificate, that the server has not closed since nor is about to."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.tls is credentials.tls and connection.is_open and now - connection.idle_since < IDLE_S:
                return connection
            await connection.close()
        return None

    async def _connection(self, credentials: Credentials) -> "_Connection":
        server = urlsplit(self.kubeconfig.server)
        name = self.kubeconfig.tls_server_name or server.hostname
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(
                    server.hostname,
                    server.port or (443 if credentials.tls else 80),
                    ssl=credentials.tls,
                    server_hostname=name if credentials.tls else None,
                    limit=CHUNK_BYTES,
                )
        except OSError as error:
            raise unreached(self.kubeconfig, error) from error
        return _Connection(self.kubeconfig, reader, writer, credentials.tls)

    def _head(self, call: Call, credentials: Credentials) -> bytes:
        server = urlsplit(self.kubeconfig.server)
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in call.query)
        lines = [f"{call.method} {server.path}{call.path}{'?' if query else ''}{query} HTTP/1.1", f"Host: {server.netloc}"]
        lines += [f"User-Agent: {self._user_agent}", f"Accept: {call.accept}"]
        lines += [f"{name}: {value}" for name, value in credentials.headers]
        lines += [f"Content-Type: {call.content_type}"] if call.body is not None else []
        return "\r\n".join(lines).encode()


class _Connection:
    """One exchange at a time. tls: with which certificate it was made. idle_since: loop time, of one that waits for its next call."""

    def __init__(self, config: Kubeconfig, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext | None) -> None:
        self.config = config
        self.reader = reader
        self.tls = tls
        self.idle_since = 0.0
        self._writer = writer

    @property
    def is_open(self) -> bool:
        """False once the other side has ended it, in peace or not."""
        return not (self.reader.at_eof() or self.reader.exception() or self._writer.transport.is_closing())

    async def exchange(self, head: bytes, body: bytes) -> "_Answer":
        length = f"\r\nContent-Length: {len(body)}\r\n\r\n" if body or not head.startswith(b"GET ") else "\r\n\r\n"
        try:
            self._writer.write(head + length.encode() + body)
            await self._writer.drain()
        except OSError as error:
            raise broken(self.config, error) from error
        answer = _Answer(self)
        await answer.read_head()
        return answer

    def keep_alive(self) -> None:
        keep_alive(self._writer.transport)

    async def close(self) -> None:
        """At once: what is still unread does not matter to anybody."""
        self._writer.transport.abort()


class _Answer:
    """What httptools finds in the bytes that arrive."""

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection
        self.status = 0
        self.may_be_kept = False
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._has_head = False
        self._is_whole = False
        self._parser = httptools.HttpResponseParser(self)

    def header(self, name: str) -> str:
        return self._headers.get(name, "")

    async def read_head(self) -> None:
        while not self._has_head:
            await self._read()

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The pieces as they arrive, to the end that the server has announced."""
        while True:
            pieces, self._pieces = self._pieces, []
            for piece in pieces:
                yield piece
            if self._is_whole:
                return
            if not self._pieces:
                await self._read()

    async def _read(self) -> None:
        try:
            data = await self.connection.reader.read(CHUNK_BYTES)
        except OSError as error:
            raise broken(self.connection.config, error) from error
        if not data:
            self._end()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ConnectionLost(f"{self.connection.config.server} does not speak HTTP/1.1: {error}") from error

    def _end(self) -> None:
        """The server has closed: the end of an answer of no announced length, too early for any other."""
        if not self._has_head or "content-length" in self._headers or "transfer-encoding" in self._headers:
            raise broken(self.connection.config, ConnectionError("closed by the other side"))
        self._is_whole = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._has_head = self.status >= 200
        self.may_be_kept = self._parser.should_keep_alive()

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        self._is_whole = self._has_head
