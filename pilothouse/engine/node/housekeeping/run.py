"""The loops of the node's housekeeping."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn

import structlog

from pilothouse.engine.node.housekeeping.containers import Ends, collect_containers
from pilothouse.engine.node.housekeeping.full_volumes import FullVolumes
from pilothouse.engine.node.housekeeping.images import collect_images
from pilothouse.engine.node.housekeeping.links import link_logs
from pilothouse.engine.node.housekeeping.rotation import rotate_logs
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.engine.node.work.context import Context
from pilothouse.engine.node.work.worker import PodWorker

log = structlog.get_logger("node.housekeeping")

ROTATE_S, COLLECT_S = 10.0, 60.0


async def keep_rotating(context: Context, workers: Mapping[str, PodWorker]) -> NoReturn:
    """Logs of the pods that are known so far."""
    while True:
        await asyncio.sleep(ROTATE_S)
        await rotate_logs(context, workers)


async def keep_collecting(context: Context, workers: Mapping[str, PodWorker]) -> NoReturn:
    """workers: of all pods of the node, so that nothing goes that one of them needs."""
    ends, full = Ends(), FullVolumes(context.config, context.client, context.recorder)
    await _attempt("images", context.images.look)
    while True:
        await asyncio.sleep(COLLECT_S)
        await _attempt("containers", lambda: collect_containers(context, workers, context.config.container_min_age_s, ends=ends))
        await _attempt("logs", lambda: link_logs(context, workers))
        await _attempt("images", lambda: collect_images(context, workers))
        await _attempt("full volumes", lambda: full.look([worker.pod for worker in workers.values()]))


async def _attempt(what: str, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """One part that fails does not keep the others from their turn."""
    try:
        await work()
    except (RuntimeFailure, OSError) as error:
        log.warning("housekeeping failed", what=what, why=str(error))
