"""Collecting ended containers: of each container of a pod the newest ended one stays, for `logs --previous`."""

import asyncio
import time
from collections.abc import Mapping

from pilothouse.engine.node.runtime.seam import EXITED, Container, RuntimeFailure
from pilothouse.engine.node.work.context import Context
from pilothouse.engine.node.work.worker import PodWorker


async def collect_containers(context: Context, workers: Mapping[str, PodWorker], min_age_s: float, *, of_ended_pods: bool = False) -> None:
    """Removes those that ended longer ago than that, with their logs. Raises RuntimeFailure.

    of_ended_pods: also the last ones of pods that have ended, since room is more than their logs are worth.
    """
    for container in await context.runtime.containers():
        worker = workers.get(container.uid)
        # Asked after the list was made: what has become somebody's meanwhile is kept.
        if worker is None or container.state != EXITED or _is_kept(worker, container, of_ended_pods=of_ended_pods):
            continue
        if await _is_old(context, container, min_age_s):
            await context.runtime.remove_container(container.id)
            await asyncio.to_thread(_drop_logs, context, worker, container)


def _is_kept(worker: PodWorker, container: Container, *, of_ended_pods: bool) -> bool:
    return container.id in worker.kept_containers() and not (of_ended_pods and worker.state.finished)


async def _is_old(context: Context, container: Container, min_age_s: float) -> bool:
    try:
        found = await context.runtime.container(container.id)
    except RuntimeFailure as error:
        if error.code == "NOT_FOUND":
            return False
        raise
    return time.time() - (found.finished_at or found.created_at) >= min_age_s


def _drop_logs(context: Context, worker: PodWorker, container: Container) -> None:
    metadata = worker.pod["metadata"]
    folder = context.config.pod_logs(metadata["namespace"], metadata["name"], metadata["uid"]) / container.name
    for path in folder.glob(f"{container.attempt}.log*"):
        path.unlink(missing_ok=True)
