"""Collecting images: when the disk is filled above the high mark, those that nobody uses go until the low mark is reached."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import structlog

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.runtime.seam import Image
from pilothouse.engine.node.stats.machine import filesystem
from pilothouse.engine.node.work.context import Context
from pilothouse.engine.node.work.worker import PodWorker

log = structlog.get_logger("node.housekeeping")


async def collect_images(context: Context, workers: Mapping[str, PodWorker]) -> None:
    """Raises RuntimeFailure, OSError."""
    config = context.config
    surplus = await asyncio.to_thread(_surplus, config.containerd_dir, config.image_high_percent, config.image_low_percent)
    if not surplus:
        await context.images.look()
        return
    removed = await _remove(context, workers, surplus)
    if sum(image.size_bytes for image in removed) < surplus:
        log.warning("the disk is filled with other things than unused images", wanted_bytes=surplus)


async def remove_unused_images(context: Context, workers: Mapping[str, PodWorker]) -> None:
    """All that nobody uses and that are old enough. Raises RuntimeFailure."""
    await _remove(context, workers, 1 << 62)


async def _remove(context: Context, workers: Mapping[str, PodWorker], free_bytes: int) -> list[Image]:
    in_use = {context.config.sandbox_image, *_wanted(workers)}
    for container in await context.runtime.containers():
        in_use |= {container.image, container.image_ref}
    config = context.config
    removed = await context.images.collect(in_use, free_bytes, min_age_s=config.image_min_age_s)
    log.info("images removed", count=len(removed), bytes=sum(image.size_bytes for image in removed))
    return removed


def _wanted(workers: Mapping[str, PodWorker]) -> set[str]:
    """What pods of this node run or are about to start."""
    pods = [worker.pod for worker in workers.values() if not podspec.has_ended(worker.pod)]
    volumes = [volume["image"] for pod in pods for volume in podspec.spec(pod).get("volumes") or () if volume.get("image")]
    mounted = {each["reference"] for each in volumes if each.get("reference")}
    return mounted | {each["image"] for pod in pods for each in podspec.all_containers(pod)}


def _surplus(folder: Path, high_percent: int, low_percent: int) -> int:
    """How much has to go, in bytes; 0 below the high mark."""
    disk = filesystem(folder)
    taken = disk.capacity_bytes - disk.available_bytes
    if taken * 100 < disk.capacity_bytes * high_percent:
        return 0
    return taken - disk.capacity_bytes * low_percent // 100
