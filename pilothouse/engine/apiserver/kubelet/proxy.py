"""Connections to the kubelet APIs of nodes, over TLS and with the API server's own client certificate.

A node states by itself where it is reached. What it states must lead neither to the API server, which would be asked by its own name then,
nor to the loopback of its machine, where the first node listens.
"""

import asyncio
import ssl
from collections.abc import Collection, Mapping
from pathlib import Path

from pilothouse.model.errors import Unavailable
from pilothouse.model.json import Object
from pilothouse.model.networks import with_port
from pilothouse.model.node_objects import is_simulated
from pilothouse.model.proxyable import is_proxyable
from pilothouse.wire.peer import keep_alive_probes
from pilothouse.wire.tls import client_context

CONNECT_S = 5.0
_ADDRESSES = ("InternalIP", "Hostname")
"""Of a node's addresses, in the order in which they are tried. Source: kube-apiserver's --kubelet-preferred-address-types."""


class KubeletProxy:
    """certificate: the API server's, and its key; read for each request, since it is renewed. hosts: where nodes of this machine listen.

    reserved: the API server's addresses.
    """

    def __init__(self, certificate: tuple[Path, Path], ca: Path, hosts: Mapping[str, str], reserved: Collection[str] = ()) -> None:
        self._reserved = reserved
        self._certificate = certificate
        self._ca = ca
        self._hosts = hosts

    async def connect(self, node: Object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        """A connection to the node's kubelet API, and the value of the Host header for it. Raises Unavailable."""
        name = node["metadata"]["name"]
        if is_simulated(node):
            raise Unavailable(f"node {name} is simulated: its pods run nothing, so there are no logs, no sessions and no figures")
        host, port = self._hosts.get(name) or self._stated(node), _port(node)
        try:
            async with asyncio.timeout(CONNECT_S):
                context = await asyncio.to_thread(self._context)
                reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        except (OSError, ssl.SSLError) as error:  # TimeoutError among them
            why = str(error) or "i/o timeout"
            raise Unavailable(f"error trying to reach node {name}: dial tcp {with_port(host, port)}: {why}") from error
        # A session may be silent for long: only so does anybody notice that its node has lost its power.
        keep_alive_probes(writer.transport)
        return reader, writer, with_port(host, port)

    def _stated(self, node: Object) -> str:
        """Raises Unavailable."""
        host = _address(node)
        if host in self._reserved or not is_proxyable(host):
            raise Unavailable(f"node {node['metadata']['name']} states the address {host}, which is no node's")
        return host

    def _context(self) -> ssl.SSLContext:
        return client_context(self._ca, *self._certificate)


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
