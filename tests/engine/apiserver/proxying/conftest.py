"""Pods that are played by servers of this process: connections to their addresses are led to loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from pilothouse.engine.apiserver.proxying.dialing import dial
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.wire.messages import Request, Response
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.server import serve
from pilothouse.wire.tls import client_context, server_context
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https
from tests.wire.raw import Answer, RawClient

ADDRESS = "10.244.0.7"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"


@dataclass
class Played:
    """Answers what a test wants; keeps what it was asked. ports: of addresses, by what a request names."""

    asked: list[Request] = field(default_factory=list)
    answer: Callable[[Request], Awaitable[Response | None]] | None = None
    ports: dict[tuple[str, int], int] = field(default_factory=dict)
    dialled: list[tuple[str, int, bool]] = field(default_factory=list)

    async def handle(self, request: Request) -> Response | None:
        self.asked.append(request)
        if self.answer is not None:
            return await self.answer(request)
        return Response(200, (("content-type", "text/plain"),), f"{request.method} {request.target}".encode())

    async def dial(self, host: str, port: int, *, tls: bool) -> Any:
        self.dialled.append((host, port, tls))
        if (host, port) not in self.ports:
            raise ConnectionRefusedError(111, "Connection refused")
        return await dial("127.0.0.1", self.ports[host, port], tls=tls)


class Person:
    """Somebody who asks the API server with a certificate, over one connection for each request."""

    def __init__(self, https: Https, authority: CertificateAuthority, name: str, *groups: str) -> None:
        pair = authority.issue_client(name, groups)
        self._context = client_context(authority.certificate, pair.certificate, pair.key)
        self._port = int(https.url.rpartition(":")[2])

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[RawClient]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context, server_hostname="127.0.0.1")
        try:
            yield RawClient(reader, writer)
        finally:
            writer.transport.abort()

    async def ask(self, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> Answer:
        async with self.connected() as client:
            lengths = (f"content-length: {len(body)}",) if body else ()
            client.get(path, *headers, *lengths, method=method)
            client.send(body)
            return await client.answer(method)


@pytest.fixture
async def played(server: ApiServer, authority: CertificateAuthority) -> AsyncIterator[Played]:
    played = Played()
    own = authority.issue_server(["app"], [])
    context: ssl.SSLContext = server_context(own.certificate, own.key)
    async with await serve(played.handle) as plain, await serve(played.handle, tls=context) as secure:
        played.ports = {(ADDRESS, 80): plain.port, (ADDRESS, 8080): plain.port, (ADDRESS, 443): secure.port, (ADDRESS, 8443): secure.port}
        server.backend.dial = played.dial
        yield played


@pytest.fixture
async def web(api: Api, played: Played) -> Played:
    """A pod `web` that runs, and a Service of that name in front of it."""
    ports = [{"name": "http", "containerPort": 8080}, {"name": "https", "containerPort": 8443}]
    spec = {"nodeName": "n1", "containers": [{"name": "main", "image": "i", "ports": ports}]}
    await api.post(PODS, {"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": spec})
    await place(api, "web", ADDRESS)
    stated = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443, "targetPort": 8443}]
    await api.post(SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": stated}})
    await endpoints(api, "web", ADDRESS)
    return played


async def place(api: Api, name: str, address: str, phase: str = "Running") -> None:
    """Give a pod its address."""
    status = {"phase": phase, "podIP": address, "podIPs": [{"ip": address}]}
    await api.patch(f"{PODS}/{name}/status", {"status": status})


async def endpoints(api: Api, name: str, address: str, **more: Any) -> None:
    """An EndpointSlice of the Service `web` with one endpoint."""
    found: dict[str, Any] = {"addresses": [address], "targetRef": {"kind": "Pod", "namespace": "default", "name": "web"}}
    value = {
        "metadata": {"name": f"web-{name}", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}, {"name": "https", "port": 8443}],
        "endpoints": [found | more],
    }
    await api.post("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", value)


@pytest.fixture
def admin(https: Https, authority: CertificateAuthority) -> Person:
    return Person(https, authority, "admin", "pilothouse:admins")


@pytest.fixture
def person(https: Https, authority: CertificateAuthority) -> Callable[[str], Person]:
    """Somebody with the rights that a test grants that name."""
    return lambda name: Person(https, authority, name)
