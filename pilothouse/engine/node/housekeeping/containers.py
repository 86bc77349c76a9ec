"""Collecting ended containers: of each container of a pod the newest ended one stays, for `logs --previous`."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pilothouse.engine.node.runtime.seam import EXITED, Container, RuntimeFailure
from pilothouse.engine.node.work.context import Context
from pilothouse.engine.node.work.worker import PodWorker


@dataclass(slots=True)
class Ends:
    """When containers ended, by id and by the clock that the node decides by: taken over once, so that none ages when a clock is set."""

    at: dict[str, float] = field(default_factory=dict)

    def keep(self, ids: Iterable[str]) -> None:
        kept = set(ids)
        self.at = {id: at for id, at in self.at.items() if id in kept}


async def collect_containers(
    context: Context, workers: Mapping[str, PodWorker], min_age_s: float, *, ends: Ends, of_ended_pods: bool = False
) -> None:
    """Removes those that ended longer ago than that, with their logs. Raises RuntimeFailure.

    ends: what earlier rounds have learnt.
    of_ended_pods: also the last ones of pods that have ended, since room is more than their logs are worth.
    """
    listed = await context.runtime.containers()
    ends.keep(each.id for each in listed)
    for container in listed:
        worker = workers.get(container.uid)
        # Asked after the list was made: what has become somebody's meanwhile is kept.
        if worker is None or container.state != EXITED or _is_kept(worker, container, of_ended_pods=of_ended_pods):
            continue
        if await _is_old(context, container, min_age_s, ends):
            await context.runtime.remove_container(container.id)
            await asyncio.to_thread(_drop_logs, context, worker, container)


def _is_kept(worker: PodWorker, container: Container, *, of_ended_pods: bool) -> bool:
    return container.id in worker.kept_containers() and not (of_ended_pods and worker.state.finished)


async def _is_old(context: Context, container: Container, min_age_s: float, ends: Ends) -> bool:
    at = ends.at.get(container.id)
    if at is None:
        try:
            found = await context.runtime.container(container.id)
        except RuntimeFailure as error:
            if error.code == "NOT_FOUND":
                return False
            raise
        at = ends.at[container.id] = context.clock.of(found.finished_at or found.created_at)
    return context.now() - at >= min_age_s


def _drop_logs(context: Context, worker: PodWorker, container: Container) -> None:
    metadata = worker.pod["metadata"]
    folder = context.config.pod_logs(metadata["namespace"], metadata["name"], metadata["uid"]) / container.name
    for path in folder.glob(f"{container.attempt}.log*"):
        path.unlink(missing_ok=True)
