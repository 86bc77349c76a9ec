"""Asks nodes to make, grow and remove the volumes that lie on them.

The node of this machine is asked over its socket, others by their kubelet API.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

from pilothouse.engine.apiserver.kubelet.body import Body
from pilothouse.engine.apiserver.kubelet.proxy import KubeletProxy
from pilothouse.engine.apiserver.kubelet.queries import failure
from pilothouse.model.errors import NotFound, Unavailable
from pilothouse.model.json import JSONError, Object, loads

ANSWER_S = 150.0
"""To make a large file system, or to remove a large file, takes a while."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter, str]
Connect = Callable[[str], Awaitable[Connection]]
"""A connection to the node of that name, and the value of the Host header for it. Raises ApiError."""


class NodeVolumes:
    """connect: to a node of any name."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    async def ensure(self, node: str, name: str, size_bytes: int) -> Object:
        """sizeBytes, path, enforcement and isPending of the volume as it is then. Raises ApiError, the node's own among them."""
        return await self._ask(node, "PUT", f"/volumes/{quote(name, safe='')}?sizeBytes={size_bytes}")

    async def remove(self, node: str, name: str) -> None:
        """Raises ApiError: Conflict while the volume is in use."""
        await self._ask(node, "DELETE", f"/volumes/{quote(name, safe='')}")

    async def _ask(self, node: str, method: str, target: str) -> Object:
        reader, writer, host = await self._connect(node)
        try:
            async with asyncio.timeout(ANSWER_S):
                head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                writer.write(head.encode())
                body = Body(reader)
                status, said = await body.head(), await body.whole()
            if status != 200:
                raise failure(status, said)
            answer = loads(said)
        except (OSError, EOFError, JSONError) as error:  # TimeoutError among them
            raise Unavailable(f"node {node} does not answer: {str(error) or 'it took too long'}") from error
        finally:
            writer.transport.abort()
        return answer if isinstance(answer, dict) else {}


def connecting(own: str, socket: Path, find: Callable[[str], Object | None], proxy: KubeletProxy) -> Connect:
    """own, socket: of the node of this machine. find: a Node by its name, None when there is none."""

    async def connect(name: str) -> Connection:
        if name == own:
            try:
                reader, writer = await asyncio.open_unix_connection(socket)
            except OSError as error:
                raise Unavailable(f"node {name} does not answer: it is starting, or has ended; try again in a moment") from error
            return reader, writer, "node"
        node = find(name)
        if node is None:
            raise NotFound(f"there is no node {name}")
        return await proxy.connect(node)

    return connect
