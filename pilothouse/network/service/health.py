"""Health checks of load balancers (`healthCheckNodePort`): an HTTP server a Service says how many of its endpoints are on this node.

200 with at least one, 503 with none, so that a load balancer in front of the nodes sends only where traffic that is to stay on its node
(`externalTrafficPolicy: Local`) finds somebody. Answers are made of numbers that are kept here: a request asks nobody.
Source: kube-proxy's pkg/proxy/healthcheck/service_health.go (document and headers).
"""

import asyncio
import contextlib
import errno
import json
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from pilothouse.aio.places import Places
from pilothouse.network.service.plan import Health
from pilothouse.network.service.rules import Remark

log = structlog.get_logger("network.service")
NOT_STARTED = "FailedToStartServiceHealthcheck"
REQUEST_S = 2.0
MOST_REQUEST_BYTES = 8192
MOST_CONNECTIONS, MOST_OF_ONE_CLIENT = 256, 16
"""Over all Services; further ones are closed at once."""
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78
_BACKLOG = 64


@dataclass(slots=True)
class _Check:
    wanted: Health
    servers: list[asyncio.Server] = field(default_factory=list)
    port: int = 0
    addresses: tuple[str, ...] = ()
    failed: str = ""


class HealthServer:
    """is_healthy: whether the proxy itself does its work. say: what the owner of a Service has to know. Used in the loop alone."""

    RETRY_S = 15.0

    def __init__(self, is_healthy: Callable[[], bool], say: Callable[[Remark], None]) -> None:
        self._is_healthy = is_healthy
        self._say = say
        self._addresses: tuple[str, ...] = ()
        self._checks: dict[str, _Check] = {}
        self._changed: dict[str, None] = {}
        self._news = asyncio.Event()
        self._open_now: set[asyncio.StreamWriter] = set()
        self._places = Places(MOST_CONNECTIONS, MOST_OF_ONE_CLIENT)

    def listen_at(self, addresses: Iterable[str]) -> None:
        """Of this node. They need not be there yet."""
        self._addresses = tuple(addresses)
        self._note(*self._checks)

    def serve(self, service: str, health: Health | None) -> None:
        """None: no more."""
        check = self._checks.get(service)
        if check is None and health is not None:
            self._checks[service] = _Check(health)
        elif check is not None:
            check.wanted = health or Health(0, 0)
        self._note(service)

    def _note(self, *services: str) -> None:
        self._changed |= dict.fromkeys(services)
        if services:
            self._news.set()

    async def run(self) -> None:
        """Until cancelled; then nobody answers any more."""
        try:
            while True:
                self._news.clear()
                changed, self._changed = self._changed, {}
                for service in changed:
                    await self._follow(service)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.RETRY_S):
                        await self._news.wait()
                self._note(*(service for service, check in self._checks.items() if check.failed))
        finally:
            for check in self._checks.values():
                _close(check)
            for writer in self._open_now:
                writer.transport.abort()

    async def _follow(self, service: str) -> None:
        check = self._checks.get(service)
        if check is None or (check.port == check.wanted.port and check.addresses == self._addresses and not check.failed):
            return
        _close(check)
        if not check.wanted.port:
            del self._checks[service]
            return
        check.port, check.addresses = check.wanted.port, self._addresses
        try:
            for address in self._addresses:
                check.servers.append(await self._open(service, address, check.port))
            check.failed = ""
        except OSError as error:
            _close(check)
            self._could_not(service, check, address, error)

    def _could_not(self, service: str, check: _Check, address: str, error: OSError) -> None:
        why = "the port is taken there" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or errno.EIO)
        message = (
            f"health checks of this Service are not answered at {address} port {check.port}: {why}; free it, or make the Service anew "
            "with another healthCheckNodePort"
        )
        if message != check.failed:
            log.warning("health checks not answered", service=service, address=address, port=check.port, error=str(error))
            self._say(Remark(service, NOT_STARTED, message))
        check.failed = message

    async def _open(self, service: str, address: str, port: int) -> asyncio.Server:
        listening = _listening(address, port)
        try:
            return await asyncio.start_server(
                lambda reader, writer: self._answer(service, reader, writer), sock=listening, limit=MOST_REQUEST_BYTES
            )
        except BaseException:
            listening.close()
            raise

    async def _answer(self, service: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = str((writer.get_extra_info("peername") or ("",))[0])
        if not self._places.take(client):
            writer.transport.abort()
            return
        self._open_now.add(writer)
        try:
            async with asyncio.timeout(REQUEST_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answer(service, with_body=not head.startswith(b"HEAD ")))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._open_now.discard(writer)
            self._places.give(client)

    def answer(self, service: str, *, with_body: bool = True) -> bytes:
        """Whatever was asked for, as upstream."""
        check = self._checks.get(service)
        namespace, _, name = service.partition("/")
        count, healthy = (check.wanted.endpoints if check else 0), self._is_healthy()
        document = {
            "service": {"namespace": namespace, "name": name},
            "localEndpoints": count,
            "serviceProxyHealthy": healthy,
        }
        body = json.dumps(document, indent=1).encode()
        status = "200 OK" if count and healthy else "503 Service Unavailable"
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
            f"X-Load-Balancing-Endpoint-Weight: {count}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + (body if with_body else b"")


def _listening(address: str, port: int) -> socket.socket:
    is_six = ":" in address
    found = socket.socket(socket.AF_INET6 if is_six else socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Links that are not up yet have their addresses later.
        if is_six:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            found.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        else:
            found.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        found.bind((address, port))
        found.listen(_BACKLOG)
    except BaseException:
        found.close()
        raise
    return found


def _close(check: _Check) -> None:
    for server in check.servers:
        server.close()
    check.servers = []
