"""The TCP port of the kubelet API: TLS, with client certificates of the cluster's authority for those who have one."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from pilothouse.wire import Limits, Server, serve
from pilothouse.wire.messages import Handler
from pilothouse.wire.tls import server_context

LIMITS = Limits(
    body_bytes=64 * 1024,
    held_bytes=4 << 20,
    reserved_bytes=4 << 20,
    connections=1000,
    idle=200,
    silent=200,
    handshakes=16,
    handshakes_each=8,
)
"""Fewer than the API server's: those who ask a node are few, and none sends a body."""


@dataclass(frozen=True, slots=True)
class Listening:
    """certificate: the node's, and its key. ca: of clients' certificates."""

    host: str
    port: int
    certificate: tuple[Path, Path]
    ca: Path

    def context(self) -> ssl.SSLContext:
        """Raises OSError, ssl.SSLError."""
        return server_context(*self.certificate, self.ca)

    async def serve(self, handler: Handler, context: ssl.SSLContext) -> Server:
        """Raises OSError when the port is taken."""
        return await serve(handler, self.host, self.port, tls=context, limits=LIMITS)
