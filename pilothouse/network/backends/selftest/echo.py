"""Answers the probes of other nodes at the gateway address of this node's pods, where only the pod network leads.

An answer is the probe itself, never larger, and only for an address of the pod network: nobody is flooded by it.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network
from typing import cast

from pilothouse.network.backends.config import Network

PORT = 8471
MAGIC = b"pilothouse network probe\n"
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78
"""linux/in.h, linux/in6.h: bind before the address is there."""


def bound(address: str, port: int) -> socket.socket:
    """A UDP socket at an address of this node's pods. Raises OSError."""
    is_six = ":" in address
    made = socket.socket(socket.AF_INET6 if is_six else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(*((socket.IPPROTO_IPV6, _IPV6_FREEBIND) if is_six else (socket.IPPROTO_IP, _IP_FREEBIND)), 1)
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made


class Echo(asyncio.DatagramProtocol):
    def __init__(self, answers: Callable[[str], bool]) -> None:
        self._answers = answers
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The loop's own class does not descend from what it implements.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and data.startswith(MAGIC) and addr[1] != PORT and self._answers(addr[0]):
            self._transport.sendto(data, addr)

    def error_received(self, exc: Exception) -> None:
        """A sender that is gone is none of ours."""


async def serve(addresses: Iterable[str], clusters: tuple[Network, ...]) -> contextlib.AsyncExitStack:
    """Until what is returned is closed. Raises OSError when the port is taken."""

    def answers(address: str) -> bool:
        found = ip_address(address.partition("%")[0])
        return any(found.version == cluster.version and found in cluster for cluster in clusters)

    async with contextlib.AsyncExitStack() as stack:
        for address in addresses:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Echo(answers), sock=bound(address, PORT))
            stack.callback(transport.close)
        return stack.pop_all()


def gateways(networks: Iterable[Network]) -> list[str]:
    return [str(ip_network(each)[1]) for each in networks]
