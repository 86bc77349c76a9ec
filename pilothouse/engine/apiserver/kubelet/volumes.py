"""Asks nodes to make, grow, copy and remove the volumes that lie on them, and to take snapshots of them.

The node of this machine is asked over its socket, others by their kubelet API.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote, urlencode

from pilothouse.engine.apiserver.kubelet.body import Body
from pilothouse.engine.apiserver.kubelet.proxy import KubeletProxy
from pilothouse.engine.apiserver.kubelet.queries import failure
from pilothouse.engine.apiserver.kubelet.turns import NodeTurns
from pilothouse.model.errors import NotFound, Unavailable
from pilothouse.model.io_limits import IoLimits
from pilothouse.model.json import JSONError, Object, loads

_SNAPSHOTS = "/volumes/snapshots/"
ANSWER_S = 150.0
"""To make a large file system, or to remove a large file, takes a while."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter, str]
Connect = Callable[[str], Awaitable[Connection]]
"""A connection to the node of that name, and the value of the Host header for it. Raises ApiError."""


class NodeVolumes:
    """connect: to a node of any name."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._turns = NodeTurns()

    async def ensure(self, node: str, name: str, size_bytes: int, mode: str = "", source: str = "") -> Object:
        """sizeBytes, path, enforcement and isPending of the volume as it is then; copiedBytes alone while its content is being copied.

        source: the volume or snapshot of that node whose content it gets. Raises ApiError, the node's own among them.
        """
        asked: Object = {"sizeBytes": size_bytes, "mode": mode, "source": source}
        query = urlencode({key: value for key, value in asked.items() if value or key == "sizeBytes"})
        return await self._ask(node, "PUT", f"{_volume(name)}?{query}")

    async def remove(self, node: str, name: str) -> None:
        """Raises ApiError: Conflict while the volume is in use."""
        await self._ask(node, "DELETE", _volume(name))

    async def confirm(self, node: str, name: str) -> None:
        """The volume has a PersistentVolume now. Raises ApiError."""
        await self._ask(node, "PUT", f"{_volume(name)}/confirmed")

    async def limit(self, node: str, name: str, limits: IoLimits) -> None:
        """Raises ApiError: BadRequest where the node cannot limit the I/O of volumes."""
        query = urlencode({"iops": limits.iops, "bytesPerSecond": limits.bytes_per_s})
        await self._ask(node, "PUT", f"{_volume(name)}/limits?{query}")

    async def unconfirmed(self, node: str) -> list[str]:
        """Names of the volumes of the node that nobody has confirmed. Raises ApiError."""
        found = (await self._ask(node, "GET", "/volumes")).get("new")
        return [str(name) for name in found] if isinstance(found, list) else []

    async def take_snapshot(self, node: str, name: str, volume: str) -> Object:
        """sizeBytes, takenNs, mode and volume of the snapshot; copiedBytes alone while it is being copied. Raises ApiError."""
        return await self._ask(node, "PUT", f"{_snapshot(name)}?{urlencode({'volume': volume})}")

    async def snapshot(self, node: str, name: str) -> Object:
        """The same of one that has been taken. Raises ApiError: NotFound."""
        return await self._ask(node, "GET", _snapshot(name))

    async def remove_snapshot(self, node: str, name: str) -> None:
        """Raises ApiError."""
        await self._ask(node, "DELETE", _snapshot(name))

    async def _ask(self, node: str, method: str, target: str) -> Object:
        # Snapshots, removals and all else are others' work: a slow one of one kind holds up none of another.
        kind = f"{method} {'snapshot' if target.startswith(_SNAPSHOTS) else 'volume'}"
        async with self._turns.of(node, kind):
            return await self._answer(node, method, target)

    async def _answer(self, node: str, method: str, target: str) -> Object:
        reader, writer, host = await self._connect(node)
        try:
            async with asyncio.timeout(ANSWER_S):
                head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                writer.write(head.encode())
                body = Body(reader)
                status, said = await body.head(), await body.whole()
            if status not in (200, 202):
                raise failure(status, said)
            answer = loads(said)
        except (OSError, EOFError, JSONError) as error:  # TimeoutError among them
            raise Unavailable(f"node {node} does not answer: {str(error) or 'it took too long'}") from error
        finally:
            writer.transport.abort()
        return answer if isinstance(answer, dict) else {}


def _volume(name: str) -> str:
    return f"/volumes/{quote(name, safe='')}"


def _snapshot(name: str) -> str:
    return f"{_SNAPSHOTS}{quote(name, safe='')}"


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
