"""Rotation of containers' logs: a file that has grown too large is renamed, and the runtime opens a new one.

Until the runtime has, it writes on into the renamed file. So a rename is taken back when the runtime does not follow, and a log
whose file is missing (the agent was killed in between) has the runtime asked again in the next round.
Source: kubernetes pkg/kubelet/logs/container_log_manager.go.
"""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from pilothouse.engine.node.pod.state import Tracked
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.engine.node.streams.logs import rotated
from pilothouse.engine.node.work.context import Context
from pilothouse.engine.node.work.worker import PodWorker

log = structlog.get_logger("node.housekeeping")


async def rotate_logs(context: Context, workers: Mapping[str, PodWorker]) -> None:
    """Each log by itself: one that fails leaves the others their turn, and is tried again in the next round."""
    for worker in list(workers.values()):
        metadata = worker.pod["metadata"]
        folder = context.config.pod_logs(metadata["namespace"], metadata["name"], metadata["uid"])
        for tracked in list(worker.state.containers.values()):
            try:
                await _rotate(context, folder, tracked)
            except (RuntimeFailure, OSError) as error:
                log.warning("log not rotated", pod=f"{metadata['namespace']}/{metadata['name']}", container=tracked.name, why=str(error))


async def _rotate(context: Context, folder: Path, tracked: Tracked) -> None:
    if not tracked.alive or tracked.latest is None:
        return
    path = folder / tracked.name / f"{tracked.latest.attempt}.log"
    aside = await asyncio.to_thread(set_aside, path, context.config.log_max_bytes, context.config.log_files)
    if aside is None:
        return
    try:
        await context.runtime.reopen_log(tracked.latest.id)
    except RuntimeFailure:
        await asyncio.to_thread(put_back, aside, path)
        raise


def set_aside(path: Path, max_bytes: int, files: int) -> Path | None:
    """Renames a log that has grown too large, and drops the oldest. Returns the file to which the runtime writes until it has opened a
    new one; None when there is nothing to do. Blocking; raises OSError.
    """
    older = [each for each in rotated(path) if each != path]
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        # Renamed already, and nobody knows whether the runtime has been told.
        return older[-1] if older else None
    if size < max_bytes:
        return None
    for surplus in older[: max(0, len(older) - (files - 2))]:
        surplus.unlink(missing_ok=True)
    now = time.time_ns()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now // 10**9))
    aside = path.with_name(f"{path.name}.{stamp}.{now % 10**9:09d}")
    path.rename(aside)
    return aside


def put_back(aside: Path, path: Path) -> None:
    """Undoes a rename, unless the runtime has opened a new file after all. Blocking; raises OSError."""
    if not path.exists():
        aside.rename(path)
