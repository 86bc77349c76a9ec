"""The log of a build, kept with the Build after its pod is gone: a ConfigMap in the build's namespace, removed with it."""

import asyncio
import base64
import gzip
from collections import deque
from collections.abc import AsyncIterator

from pilothouse.client.client import Client
from pilothouse.model import kinds, meta
from pilothouse.model.errors import AlreadyExists, ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.platform.builds.resource import BUILDS

CONTAINERS = ("source", "build")
MOST_BYTES = 700_000
"""Of a log that is kept, compressed: an object's data are limited to 1 MiB. The end is what is kept."""
MOST_READ = 16 << 20
"""Bytes of a container's log that are held in memory while it is read."""
_MOST_LINES = 20_000


def log_name(build: str) -> str:
    return f"{build}-log"


async def keep_log(client: Client, build: Object, pod: str) -> None:
    """Store what the pod's containers have said. A log that cannot be read is kept as empty: the pod goes in any case."""
    said = b"".join([await _read(client, pod, meta.namespace(build), container) for container in CONTAINERS])
    wanted = {
        "metadata": {
            "name": log_name(meta.name(build)),
            "namespace": meta.namespace(build),
            "ownerReferences": [meta.owner_reference(build, BUILDS.api_version, BUILDS.kind)],
        },
        "binaryData": {"log.gz": base64.b64encode(await asyncio.to_thread(compressed, said)).decode()},
    }
    try:
        await client.create(kinds.CONFIGMAPS, wanted)
    except AlreadyExists:
        return


def compressed(said: bytes) -> bytes:
    while len(found := gzip.compress(said, mtime=0)) > MOST_BYTES:
        said = said[len(said) // 2 :]
    return found


async def _read(client: Client, pod: str, namespace: str, container: str) -> bytes:
    try:
        async with client.logs(pod, namespace, container=container, tail_lines=_MOST_LINES) as pieces:
            return await end_of(pieces, MOST_READ)
    except ApiError:
        return b""


async def end_of(pieces: AsyncIterator[bytes], most: int) -> bytes:
    """The last `most` bytes; never many more of them are in memory."""
    kept, size = deque[bytes](), 0
    async for piece in pieces:
        kept.append(piece)
        size += len(piece)
        while size - len(kept[0]) >= most:
            size -= len(kept.popleft())
    return b"".join(kept)[-most:]


async def kept_log(client: Client, build: str, namespace: str) -> bytes:
    """What `keep_log` has stored. Raises NotFound while the build's pod still has its log, and after the Build is gone."""
    found = await client.get(kinds.CONFIGMAPS, log_name(build), namespace)
    data = (found.get("binaryData") or {}).get("log.gz", "")
    if not data:
        raise NotFound(f"configmap {log_name(build)} holds no log")
    return gzip.decompress(base64.b64decode(data))
