"""Who is at the other end: address, and the certificate that TLS has verified, read once a connection."""

import asyncio
import socket
import ssl
from typing import Any

from pilothouse.wire.messages import Certificate, Peer

_PROBE_S = 15
_PROBES = 9


def peer_of(transport: asyncio.BaseTransport) -> Peer:
    address = transport.get_extra_info("peername")
    tls = transport.get_extra_info("ssl_object")
    certificate = None if tls is None else certificate_of(tls)
    if isinstance(address, tuple):
        return Peer(address[0], address[1], certificate)
    return Peer(certificate=certificate)


def certificate_of(tls: ssl.SSLObject | ssl.SSLSocket) -> Certificate | None:
    """None when the client sent no certificate; an unverified one never gets here, the handshake fails on it."""
    found: dict[str, Any] | None = tls.getpeercert()
    if not found:
        return None
    subject = tuple((name, value) for part in found.get("subject", ()) for name, value in part)
    common_name = next((value for name, value in reversed(subject) if name == "commonName"), "")
    organizations = tuple(value for name, value in subject if name == "organizationName")
    expires_at = ssl.cert_time_to_seconds(found["notAfter"]) if "notAfter" in found else float("inf")
    return Certificate(common_name, organizations, subject, expires_at)


def keep_alive_probes(transport: asyncio.BaseTransport) -> None:
    """Let the kernel notice a peer that has vanished without a word; a watch may be silent for a long time."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
