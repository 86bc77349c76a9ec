"""Links to the logs of the containers that there are: what an agent that was killed has not made, and what has lost its log."""

import asyncio
from collections.abc import Mapping

from pilothouse.engine.node.streams.log_links import log_link, make_links, remove_dead_links
from pilothouse.engine.node.work.context import Context
from pilothouse.engine.node.work.worker import PodWorker


async def link_logs(context: Context, workers: Mapping[str, PodWorker]) -> None:
    """workers: of all pods of the node, by uid. Raises RuntimeFailure, OSError."""
    found = [
        log_link(workers[each.uid].pod, each.name, each.id, each.attempt)
        for each in await context.runtime.containers()
        if each.uid in workers
    ]
    await asyncio.to_thread(make_links, context.config, found)
    await asyncio.to_thread(remove_dead_links, context.config)
