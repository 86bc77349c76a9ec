"""How the end of a container becomes known to the pod's state, its status and whoever watches it.

Beside the step under way, since a watcher waits for it. Each end is looked into by one task: events, relists and the end of the
pod may all ask for the same one.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.restarts import restarts
from pilothouse.engine.node.pod.state import Tracked
from pilothouse.engine.node.runtime.seam import EXITED, RUNNING, Container, Exited, RuntimeFailure
from pilothouse.engine.node.status import termination
from pilothouse.engine.node.work.context import Handle

POLLS_S = (0.0, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5)
SLOW_POLL_S = 1.0
EVENT_PATIENCE_S, STOP_PATIENCE_S = 30.0, 2.0
KILLED = 137


class Exits:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._context = handle.context
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._said: dict[str, Exited] = {}

    def note(self, tracked: Tracked, event: Exited) -> None:
        """The runtime says that the container has ended."""
        self._said[event.container_id] = event
        self._look_into(tracked, event.container_id, EVENT_PATIENCE_S)

    def doubt(self, tracked: Tracked, id: str) -> None:
        """The container may have ended: the runtime is asked once."""
        self._look_into(tracked, id, 0.0)

    async def look(self) -> None:
        """The runtime is asked once about every container that is taken to run."""
        alive = [(each, each.latest.id) for each in self._handle.state.containers.values() if each.alive and each.latest is not None]
        for tracked, id in alive:
            await asyncio.shield(self._look_into(tracked, id, 0.0))

    async def settle(self) -> None:
        """Returns when the ends of all containers that have been stopped are known."""
        for tracked in list(self._handle.state.containers.values()):
            await self.settle_one(tracked)

    async def settle_one(self, tracked: Tracked) -> None:
        if tracked.alive and tracked.latest is not None:
            await asyncio.shield(self._look_into(tracked, tracked.latest.id, STOP_PATIENCE_S))

    async def recall(self) -> None:
        """The last words of containers that had ended when they were taken over: the runtime knows nothing of them."""
        for tracked in list(self._handle.state.containers.values()):
            tracked.latest, tracked.previous = await self._recalled(tracked.latest), await self._recalled(tracked.previous)

    async def _recalled(self, found: Container | None) -> Container | None:
        if found is None or found.state != EXITED:
            return found
        said = await asyncio.to_thread(termination.message, found, self._log_of(found))
        return termination.with_message(found, said, found, oom=False)

    def _look_into(self, tracked: Tracked, id: str, patience_s: float) -> asyncio.Task[None]:
        task = self._under_way.get(id)
        if task is None or task.done():
            task = self._under_way[id] = self._handle.spawn(
                self._absorb(tracked, id, patience_s), f"noting the end of container {tracked.name}"
            )
            task.add_done_callback(lambda _: self._under_way.pop(id, None))
        return task

    async def _absorb(self, tracked: Tracked, id: str, patience_s: float) -> None:
        while True:
            event = self._said.pop(id, None)
            await self._look(tracked, id, event, EVENT_PATIENCE_S if event is not None else patience_s)
            # An event that came meanwhile may be about an end that the runtime did not know of when it was asked.
            if id not in self._said:
                return

    async def _look(self, tracked: Tracked, id: str, event: Exited | None, patience_s: float) -> None:
        known = _alive(tracked, id)
        found = None if known is None else await self._ended_as(known, event, patience_s)
        if found is None:
            return
        message = await asyncio.to_thread(termination.message, found, self._log_of(replace(found, name=tracked.name)))
        known = _alive(tracked, id)
        if known is None:
            return
        tracked.latest = termination.with_message(found, message, known, oom=id in self._handle.state.oom)
        tracked.ended_at = self._context.clock.of(tracked.latest.finished_at or tracked.latest.created_at)
        tracked.started = tracked.ready = False
        self._handle.stop_probing(tracked.name)
        self._tell(tracked, tracked.latest)
        self._handle.changed()

    async def _ended_as(self, known: Container, event: Exited | None, patience_s: float) -> Container | None:
        """The event itself says enough, many milliseconds before the runtime's record does; but that knows of an OOM kill for sure,
        and that the log is complete. None: as far as the runtime knows it has not ended."""
        exit_code = None if event is None or known.state != RUNNING else event.exit_code
        if event is not None and exit_code is not None and exit_code != KILLED and not termination.needs_log(known, exit_code):
            return replace(known, state=EXITED, exit_code=exit_code, finished_at=event.finished_at)
        for pause_s in _pauses(patience_s):
            await asyncio.sleep(pause_s)
            try:
                found = await self._context.runtime.container(known.id)
            except RuntimeFailure as error:
                if error.code == "NOT_FOUND":
                    return self._lost(known)
                continue
            if found.state == EXITED:
                return found
        return None

    def _lost(self, known: Container) -> Container:
        """Somebody has removed it behind our back, so nobody knows how it ended."""
        message = "The container could not be located when the pod was looked at"
        now = self._context.clock.stamp()
        return replace(known, state=EXITED, exit_code=KILLED, reason="ContainerStatusUnknown", message=message, finished_at=now)

    def _log_of(self, container: Container) -> Path:
        metadata = self._handle.object["metadata"]
        folder = self._context.config.pod_logs(metadata["namespace"], metadata["name"], metadata["uid"])
        return folder / container.name / f"{container.attempt}.log"

    def _tell(self, tracked: Tracked, ended: Container) -> None:
        pod = self._handle.object
        self._context.recorder.decide(
            {"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"]},
            "Exited",
            f"container {tracked.name} ended with exit code {ended.exit_code}",
            container=tracked.name,
            exit_code=ended.exit_code,
            oom=ended.reason == "OOMKilled",
            said=ended.message,
        )
        spec = podspec.container_named(pod, tracked.name)
        if tracked.delay_s and not self._handle.is_ending and spec is not None and restarts(pod, spec, tracked):
            metadata = pod["metadata"]
            where = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            message = f"Back-off restarting failed container {tracked.name} in pod {where}"
            self._handle.say("Warning", "BackOff", message, tracked.name)


def _alive(tracked: Tracked, id: str) -> Container | None:
    latest = tracked.latest
    return latest if latest is not None and latest.id == id and latest.state != EXITED else None


def _pauses(patience_s: float) -> Iterator[float]:
    """Before each question: quickly at first, then once a second until the patience ends; one question at least."""
    spent_s = 0.0
    for pause_s in POLLS_S:
        if spent_s + pause_s > patience_s:
            return
        spent_s += pause_s
        yield pause_s
    while spent_s + SLOW_POLL_S <= patience_s:
        spent_s += SLOW_POLL_S
        yield SLOW_POLL_S
