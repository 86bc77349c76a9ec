"""`ph logs -f`: goes on with the replicas that come, across restarts and rollouts, until it is interrupted."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from pilothouse.aio.tasks import scope
from pilothouse.cli import output
from pilothouse.cli.apps.lookup import pods_of, process_of
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.platform.apps import processes
from pilothouse.platform.apps.resource import APPS

if TYPE_CHECKING:
    from pilothouse.client.client import Client

POLL_S = 0.5
Show = Callable[[str, bool, bool], Awaitable[None]]
"""Shows the log of one run of a pod's container to its end: pod, whether it is new, whether its lines must say whose they are."""


async def follow(client: "Client", app: Object, process: str | None, show: Show) -> None:
    """Never returns while the app is there. process: None for all that run all the time."""
    name, namespace = meta.name(app), meta.namespace(app)
    revision = (app.get("status") or {}).get("revision", 0)
    begun: set[tuple[str, int]] = set()
    is_first = True
    async with scope() as tasks:
        while (current := await client.get_or_none(APPS, name, namespace)) is not None:
            newer = (current.get("status") or {}).get("revision", 0)
            if newer != revision:
                output.note(f"--- revision {newer} of {name} takes over")
                revision = newer
            runs = [run for pod in _shown(await pods_of(client, name, namespace, process), current, process) for run in _runs(pod)]
            for run in runs:
                if run not in begun:
                    begun.add(run)
                    tasks.spawn(_quietly(show(run[0], not is_first, len({pod for pod, _ in begun}) > 1 or len(runs) > 1)))
            is_first = False
            await asyncio.sleep(POLL_S)
        output.note(f"--- {name} is removed")
        tasks.cancel()


def _shown(pods: list[Object], app: Object, process: str | None) -> list[Object]:
    lasting = {each.name for each in processes.lasting(app)}
    return [pod for pod in pods if process is not None or process_of(pod) in lasting]


def _runs(pod: Object) -> list[tuple[str, int]]:
    """The container's current run, once it has begun, by the number of runs before it."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
    state = statuses[0].get("state") or {}
    has_begun = "running" in state or "terminated" in state
    return [(meta.name(pod), int(statuses[0].get("restartCount", 0)))] if has_begun else []


async def _quietly(showing: Awaitable[None]) -> None:
    """A log that ends with its pod is no error."""
    try:
        await showing
    except ApiError:
        return
