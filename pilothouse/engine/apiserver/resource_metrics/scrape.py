"""One look at one node: its /metrics/resource, within bounds of time and size."""

import asyncio
from contextlib import aclosing

from pilothouse.engine.apiserver.kubelet.connector import streamed
from pilothouse.engine.apiserver.nodes import NodeProxy
from pilothouse.engine.apiserver.resource_metrics.points import NodePoints, parse
from pilothouse.model.errors import Unavailable
from pilothouse.model.json import Object

PATH = "/metrics/resource"
MOST_BYTES = 4 << 20
"""A full node of 250 pods gives a quarter of a megabyte."""


async def scrape(proxy: NodeProxy, node: Object, limit_s: float) -> NodePoints:
    """Raises ApiError for a node that does not answer, answers too late or too much."""
    name = node["metadata"]["name"]
    try:
        async with asyncio.timeout(limit_s):
            text = await _text(proxy, node)
    except (OSError, EOFError) as error:  # TimeoutError among them
        raise Unavailable(f"node {name} does not answer: {str(error) or 'it took too long'}") from error
    return await asyncio.to_thread(lambda: parse(text.decode(errors="replace")))


async def _text(proxy: NodeProxy, node: Object) -> bytes:
    reader, writer, host = await proxy.connect(node)
    found = bytearray()
    async with aclosing(streamed(reader, writer, PATH, host)) as pieces:
        async for piece in pieces:
            found += piece
            if len(found) > MOST_BYTES:
                raise Unavailable(f"node {node['metadata']['name']} gives more than {MOST_BYTES >> 20} MiB of figures")
    return bytes(found)
