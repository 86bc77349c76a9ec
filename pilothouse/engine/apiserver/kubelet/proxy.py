"""Requests to the kubelet APIs of nodes, over TLS and with the API server's own client certificate."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from pilothouse.engine.apiserver.kubelet.body import Body
from pilothouse.engine.apiserver.nodes import NodeAnswer, NodeRequest
from pilothouse.model.errors import Unavailable
from pilothouse.model.json import Object
from pilothouse.wire.tls import client_context

CONNECT_S, HEAD_S = 5.0, 30.0
_ADDRESSES = ("InternalIP", "Hostname")
"""Of a node's addresses, in the order in which they are tried. Source: kube-apiserver's --kubelet-preferred-address-types."""


class KubeletProxy:
    """certificate: the API server's, and its key; read for each request, since it is renewed. hosts: where nodes of this machine listen."""

    def __init__(self, certificate: tuple[Path, Path], ca: Path, hosts: Mapping[str, str]) -> None:
        self._certificate = certificate
        self._ca = ca
        self._hosts = hosts

    async def connect(self, node: Object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        """A connection to the node's kubelet API, and the value of the Host header for it. Raises Unavailable."""
        name = node["metadata"]["name"]
        host, port = self._hosts.get(name) or _address(node), _port(node)
        try:
            async with asyncio.timeout(CONNECT_S):
                context = await asyncio.to_thread(self._context)
                return *await asyncio.open_connection(host, port, ssl=context, server_hostname=host), f"{host}:{port}"
        except (OSError, ssl.SSLError) as error:  # TimeoutError among them
            raise Unavailable(f"error trying to reach node {name}: dial tcp {host}:{port}: {str(error) or 'i/o timeout'}") from error

    async def ask(self, node: Object, request: NodeRequest) -> NodeAnswer:
        name = node["metadata"]["name"]
        reader, writer, authority = await self.connect(node)
        body = Body(reader)
        try:
            writer.write(_head(request, authority) + request.body)
            async with asyncio.timeout(HEAD_S):
                status = await body.head()
        except (OSError, EOFError) as error:
            writer.transport.abort()
            raise Unavailable(f"error trying to reach node {name}: {str(error) or 'it did not answer in time'}") from error
        except BaseException:
            writer.transport.abort()
            raise
        return NodeAnswer(status, body.header("content-type") or "application/octet-stream", _pieces(body, writer))

    def _context(self) -> ssl.SSLContext:
        return client_context(self._ca, *self._certificate)


async def _pieces(body: Body, writer: asyncio.StreamWriter) -> AsyncIterator[bytes]:
    try:
        async for piece in body.pieces():
            yield piece
    finally:
        writer.transport.abort()


def _head(request: NodeRequest, authority: str) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {authority}", "Connection: close"]
    if request.accept:
        lines.append(f"Accept: {request.accept}")
    if request.body:
        lines += [f"Content-Type: {request.content_type or 'application/octet-stream'}", f"Content-Length: {len(request.body)}"]
    elif request.method not in ("GET", "HEAD"):
        lines.append("Content-Length: 0")
    return "".join(line + "\r\n" for line in [*lines, ""]).encode("latin-1", "replace")


def _port(node: Object) -> int:
    endpoint = (((node.get("status") or {}).get("daemonEndpoints") or {}).get("kubeletEndpoint")) or {}
    return int(endpoint.get("Port") or 10250)


def _address(node: Object) -> str:
    """Raises Unavailable."""
    addresses = (node.get("status") or {}).get("addresses") or ()
    for kind in _ADDRESSES:
        if found := next((each["address"] for each in addresses if each["type"] == kind), ""):
            return str(found)
    raise Unavailable(f"node {node['metadata']['name']} has no address by which it could be reached")
