"""A webhook on a loopback port, over TLS: what it has been asked, and whatever it is to answer."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object, dumps, loads
from pilothouse.wire.messages import Request, Response
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.server import serve
from pilothouse.wire.tls import server_context

Answer = Callable[[Any], Any]
"""From the decoded document to the value that is answered, to a Response, or to something to wait for that gives one of them."""


class Listener:
    """asked: the documents in the order they came. requests: likewise, as they came."""

    def __init__(self, port: int, authority: CertificateAuthority) -> None:
        self.port = port
        self.authority = authority
        self.asked: list[Any] = []
        self.requests: list[Request] = []
        self.answer: Answer = lambda document: document

    @property
    def bundle(self) -> str:
        return base64.b64encode(self.authority.certificate).decode()

    def config(self, path: str = "/hook") -> Object:
        """As `clientConfig`, by URL."""
        return {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.bundle}

    def service(self, name: str, path: str = "/hook", port: int = 443) -> Object:
        return {"service": {"namespace": "default", "name": name, "path": path, "port": port}, "caBundle": self.bundle}

    async def handle(self, request: Request) -> Response:
        self.requests.append(request)
        document = loads(request.body)
        self.asked.append(document)
        given = self.answer(document)
        if isinstance(given, Awaitable):
            given = await given
        if isinstance(given, Response):
            return given
        return Response(200, (("content-type", "application/json"),), dumps(given))


@asynccontextmanager
async def listening(authority: CertificateAuthority, *names: str) -> AsyncIterator[Listener]:
    """names: in its certificate, beside 127.0.0.1."""
    own = authority.issue_server(["localhost", *names], ["127.0.0.1"])
    listener = Listener(0, authority)
    server = await serve(listener.handle, tls=server_context(own.certificate, own.key))
    listener.port = server.port
    try:
        yield listener
    finally:
        await server.close(grace_s=0)


@asynccontextmanager
async def answering_bytes(authority: CertificateAuthority, *pieces: bytes) -> AsyncIterator[int]:
    """The port of a server that sends the same bytes to everybody who asks, and hangs up."""
    own = authority.issue_server(["localhost"], ["127.0.0.1"])

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=server_context(own.certificate, own.key))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def expose(store: Store, name: str, *ports: int, service_port: int = 443) -> None:
    """A Service in `default` with an endpoint on each of the loopback ports: what no client may store, as no pod can listen there."""
    metadata = {"namespace": "default", "name": name, "uid": name, "labels": {"kubernetes.io/service-name": name}}
    spec = {"type": "ClusterIP", "clusterIP": "10.96.9.9", "ports": [{"name": "https", "port": service_port, "protocol": "TCP"}]}
    await store.create(f"/services/default/{name}", {"metadata": metadata, "spec": spec})
    for port in ports:
        slice = {
            "metadata": metadata | {"name": f"{name}-{port}"},
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        }
        await store.create(f"/endpointslices.discovery.k8s.io/default/{name}-{port}", slice)
