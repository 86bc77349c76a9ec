"""Rotation of containers' logs: a file that has grown too large is renamed, and the runtime opens a new one.

Until the runtime has, it writes on into the renamed file. So a rename is taken back when the runtime does not follow, and a log
whose file is missing (the agent was killed in between) has the runtime asked again in the next round.
Source: kubernetes pkg/kubelet/logs/container_log_manager.go.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import structlog

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.state import Tracked
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.engine.node.streams.logs import rotated
from pilothouse.engine.node.work.context import Context
from pilothouse.engine.node.work.worker import PodWorker

log = structlog.get_logger("node.housekeeping")


async def rotate_logs(context: Context, workers: Mapping[str, PodWorker]) -> None:
    """Each log by itself: one that fails leaves the others their turn, and is tried again in the next round."""
    logs = [Log(worker, tracked, path) for worker in workers.values() for tracked, path in _written(context, worker)]
    # In one thread, since a full node's logs are looked at every few seconds and hardly ever rotated.
    for each in await asyncio.to_thread(_due, logs, context.config.log_max_bytes):
        try:
            await _rotate(context, each.tracked, each.path)
        except (RuntimeFailure, OSError) as error:
            log.warning("log not rotated", pod=podspec.key_of(each.worker.pod), container=each.tracked.name, why=str(error))


class Log(NamedTuple):
    worker: PodWorker
    tracked: Tracked
    path: Path


def _written(context: Context, worker: PodWorker) -> Iterator[tuple[Tracked, Path]]:
    """The containers that run, and the files that they write to."""
    metadata = worker.pod["metadata"]
    folder = context.config.pod_logs(metadata["namespace"], metadata["name"], metadata["uid"])
    for tracked in worker.state.containers.values():
        if tracked.alive and tracked.latest is not None:
            yield tracked, folder / f"{tracked.name}/{tracked.latest.attempt}.log"


def _due(logs: Iterable[Log], max_bytes: int) -> list[Log]:
    return [each for each in logs if _is_due(each.path, max_bytes)]


def _is_due(path: Path, max_bytes: int) -> bool:
    """Too large, or missing, which `set_aside` looks into."""
    try:
        return path.stat().st_size >= max_bytes
    except OSError:
        return True


async def _rotate(context: Context, tracked: Tracked, path: Path) -> None:
    if not tracked.alive or tracked.latest is None or path.name != f"{tracked.latest.attempt}.log":
        return
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
