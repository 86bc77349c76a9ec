"""What the node does on the side: rotates logs, removes containers that nobody asks about, removes images when space is short."""

import asyncio
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from pilothouse.engine.node.logs import rotated
from pilothouse.engine.node.podcontext import Context
from pilothouse.engine.node.runtime import EXITED, Container, RuntimeFailure

if TYPE_CHECKING:
    from pilothouse.engine.node.worker import PodWorker

log = structlog.get_logger("node.housekeeping")

ROTATE_S, COLLECT_S = 10.0, 60.0


async def run(context: Context, workers: Callable[[], "Mapping[str, PodWorker]"]) -> None:
    """Until cancelled."""
    collected_at = time.monotonic()
    while True:
        await asyncio.sleep(ROTATE_S)
        try:
            await rotate_logs(context, workers())
            if time.monotonic() - collected_at >= COLLECT_S:
                collected_at = time.monotonic()
                await collect_containers(context, workers())
                await collect_images(context)
        except (RuntimeFailure, OSError) as error:
            log.warning("housekeeping failed", why=str(error))


def merged(listed: Container, found: Container) -> Container:
    """A container's details with the sandbox that only the list tells."""
    return replace(found, sandbox_id=listed.sandbox_id)


async def rotate_logs(context: Context, workers: "Mapping[str, PodWorker]") -> None:
    for worker in list(workers.values()):
        metadata = worker.pod["metadata"]
        folder = context.config.pod_logs(metadata["namespace"], metadata["name"], metadata["uid"])
        for tracked in list(worker.state.containers.values()):
            if tracked.alive and tracked.latest is not None:
                path = folder / tracked.name / f"{tracked.latest.attempt}.log"
                if await asyncio.to_thread(set_aside, path, context.config.log_max_bytes, context.config.log_files):
                    await context.runtime.reopen_log(tracked.latest.id)


def set_aside(path: Path, max_bytes: int, files: int) -> bool:
    """Renames a log that has grown too large and drops the oldest. True: the runtime has to open a new one. Blocking."""
    try:
        if path.stat().st_size < max_bytes:
            return False
    except OSError:
        return False
    older = [each for each in rotated(path) if each != path]
    for surplus in older[: max(0, len(older) - (files - 2))]:
        surplus.unlink(missing_ok=True)
    now = time.time_ns()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now // 10**9))
    path.rename(path.with_name(f"{path.name}.{stamp}.{now % 10**9:09d}"))
    return True


async def collect_containers(context: Context, workers: "Mapping[str, PodWorker]") -> None:
    """Of each container of a pod the newest ended one stays, for `logs --previous`; older ones go with their logs."""
    keep = {id for worker in workers.values() for id in worker.kept_containers()}
    for container in await context.runtime.containers():
        if container.state == EXITED and container.id not in keep and container.uid in workers:
            await context.runtime.remove_container(container.id)
            await asyncio.to_thread(_drop_logs, context, workers[container.uid], container)


def _drop_logs(context: Context, worker: "PodWorker", container: Container) -> None:
    metadata = worker.pod["metadata"]
    folder = context.config.pod_logs(metadata["namespace"], metadata["name"], metadata["uid"]) / container.name
    for path in folder.glob(f"{container.attempt}.log*"):
        path.unlink(missing_ok=True)


async def collect_images(context: Context) -> None:
    """Above the high mark, unused images go until the low mark is reached."""
    disk = shutil.disk_usage(context.config.containerd_dir)
    if disk.used * 100 < disk.total * context.config.image_high_percent:
        return
    surplus = disk.used - disk.total * context.config.image_low_percent // 100
    in_use = {reference for container in await context.runtime.containers() for reference in (container.image, container.image_ref)}
    removed = await context.images.collect(in_use, {context.config.sandbox_image}, surplus)
    log.info("images removed", count=len(removed), bytes=sum(image.size_bytes for image in removed))
