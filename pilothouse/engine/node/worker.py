"""One task a pod: compares what is wanted with what there is, takes the next step, looks again.

Level-triggered: whatever happens (a new object, an exit, a probe's verdict, a timer) only wakes the loop. Exits are looked into at
once, beside the step under way, since a watcher waits for them.
"""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import structlog

from pilothouse.aio.tasks import Scope, scope
from pilothouse.engine.node import podspec, termination
from pilothouse.engine.node.adoption import adopt, lose_sandbox, matters
from pilothouse.engine.node.ending import Ender, sweep
from pilothouse.engine.node.plan import (
    Discard,
    DropSandbox,
    Fail,
    Finish,
    Kill,
    MakeSandbox,
    MountVolumes,
    Plan,
    Start,
    Step,
    plan,
    restarts,
)
from pilothouse.engine.node.podcontext import Context, Handle
from pilothouse.engine.node.podstate import PodState, Tracked, Waiting
from pilothouse.engine.node.runtime import EXITED, RUNNING, Container, Exited, RuntimeFailure, Sandbox
from pilothouse.engine.node.starting import Starter
from pilothouse.engine.node.statuswriter import StatusWriter
from pilothouse.model import meta
from pilothouse.model.json import Object

log = structlog.get_logger("node.worker")

EXIT_POLLS_S = (0.0, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0)
STEP_RETRY_S = 1.0
FINAL_WRITE_S = 5.0
TERMINAL = ("Succeeded", "Failed")
KILLED = 137


class PodWorker:
    """pod: as first seen. Use `update`, `removed`, `exited`, `out_of_memory` from callbacks; `run` is its task."""

    def __init__(self, context: Context, pod: Object, sandboxes: list[Sandbox], containers: list[Container]) -> None:
        self._context = context
        self._pod = pod
        self._gone = False
        self._wake = asyncio.Event()
        self.state = PodState()
        self._found = (sandboxes, containers)
        self._handle: Handle | None = None
        self._starter: Starter | None = None
        self._ender: Ender | None = None
        self._writer = StatusWriter(context.client, context.config.addresses)
        self._refresh_at = 0.0
        # A pod that had ended before we knew it: its status was written by whoever saw its end.
        self._quiet = False

    @property
    def pod(self) -> Object:
        return self._pod

    @property
    def is_gone(self) -> bool:
        return self._gone

    def update(self, pod: Object) -> None:
        old, self._pod = self._pod, pod
        if self._handle is not None:
            self._handle.object = pod
        if matters(old, pod):
            if self._ender is not None and podspec.deleting(old) and podspec.grace_s(pod) < podspec.grace_s(old):
                self._ender.hurried.set()
            self._refresh_at = time.time()
            self._wake.set()

    def removed(self) -> None:
        """The object is gone from the API."""
        self._gone = True
        if self._ender is not None:
            self._ender.hurried.set()
        self._wake.set()

    def refresh(self) -> None:
        """Something that the pod's volumes or environment refer to has changed."""
        self._refresh_at = time.time()
        self.state.volumes_retry_at = 0.0
        for tracked in self.state.containers.values():
            if tracked.waiting is not None and tracked.waiting.reason == "CreateContainerConfigError":
                tracked.retry_at = 0.0
        self._wake.set()

    def exited(self, event: Exited) -> None:
        if self._handle is None:
            return
        id = event.container_id
        if self.state.sandbox is not None and self.state.sandbox.id == id:
            self._sandbox_exited(id)
        elif (tracked := self.state.by_id(id)) is not None:
            self._handle.spawn(self._absorb(tracked, id, event), f"noting the end of container {tracked.name}")

    def out_of_memory(self, id: str) -> None:
        self.state.oom.add(id)

    def owns(self, id: str) -> bool:
        box = self.state.sandbox
        return (box is not None and box.id == id) or self.state.by_id(id) is not None

    def believed_alive(self) -> list[str]:
        """Ids of the sandbox and containers that are taken to be running."""
        alive = [each.latest.id for each in self.state.containers.values() if each.alive and each.latest is not None]
        box = self.state.sandbox
        return [*alive, *([box.id] if box is not None and box.ready and not self.state.finished else [])]

    def kept_containers(self) -> list[str]:
        """Ids of the containers whose state or logs somebody may still ask for."""
        every = [each for tracked in self.state.containers.values() for each in (tracked.latest, tracked.previous)]
        return [each.id for each in every if each is not None]

    async def run(self) -> None:
        """Until the pod is gone from the API and from the node."""
        async with scope() as tasks:
            self._open(tasks)
            tasks.spawn(self._writer.run())
            await self._live()
            await self._terminate()
            tasks.cancel()

    def _open(self, tasks: Scope) -> None:
        handle = self._handle = Handle(self._context, self._pod, self.state, self._changed, tasks)
        self._starter, self._ender = Starter(handle), Ender(handle)
        status = self._pod.get("status") or {}
        self.state.started_at = meta.parse_rfc3339(status["startTime"]) if status.get("startTime") else time.time()
        adopt(self._pod, self.state, *self._found)
        if status.get("phase") in TERMINAL:
            self._quiet = True
            self.state.finished = not self.state.has_sandbox
        for spec in podspec.all_containers(self._pod):
            tracked = self.state.of(spec)
            if tracked.alive:
                self._starter.runs(spec, tracked, fresh=False)

    def _changed(self) -> None:
        self._publish()
        self._wake.set()

    def _publish(self) -> None:
        if not self._quiet:
            self._writer.publish(self._pod, self.state)

    @property
    def _ending(self) -> bool:
        return self._gone or podspec.deleting(self._pod)

    async def _live(self) -> None:
        while not self._ending:
            self._wake.clear()
            wake_at = await self._advance()
            if self._ending:
                return
            await self._rest(wake_at)

    async def _advance(self) -> float:
        """Steps until there is none; returns when to look again though nothing happens (0.0: never)."""
        while True:
            await self._refresh_volumes()
            self._publish()
            todo: Plan = plan(self._pod, self.state, time.time())
            for step in todo.steps:
                if self._ending:
                    return 0.0
                await self._take(step)
            if not todo.steps:
                return min(filter(None, (todo.wake_at, self._refresh_at)), default=0.0)

    async def _rest(self, wake_at: float) -> None:
        timeout_s = max(0.0, wake_at - time.time()) if wake_at else None
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _refresh_volumes(self) -> None:
        if not self.state.volumes_ready or self.state.finished or not self._refresh_at or time.time() < self._refresh_at:
            return
        assert self._starter is not None
        # A change that comes while this round is under way sets it again.
        self._refresh_at = 0.0
        await self._starter.mount_volumes()
        self._note_refresh()
        self.state.volumes_ready = True

    async def _take(self, step: Step) -> None:
        try:
            await self._do(step)
        except RuntimeFailure as error:
            log.warning("step failed", pod=podspec.key_of(self._pod), step=type(step).__name__, why=str(error))
            await self._rest(time.time() + STEP_RETRY_S)

    async def _do(self, step: Step) -> None:
        assert self._handle is not None
        assert self._starter is not None
        assert self._ender is not None
        match step:
            case MakeSandbox(attempt):
                await self._starter.make_sandbox(attempt)
                self._note_refresh()
            case MountVolumes():
                await self._starter.mount_volumes()
                self._note_refresh()
            case DropSandbox(id):
                await self._drop_sandbox(id)
            case Start(name, attempt):
                await self._starter.start(self._spec(name), attempt)
            case Discard(name, id):
                await self._context.runtime.remove_container(id)
                self.state.containers[name].latest = None
            case Kill(name, _, why):
                self.state.containers[name].busy = True
                self._handle.stop_probing(name)
                self._handle.spawn(self._ender.kill(self._spec(name), self.state.containers[name], why), f"ending container {name}")
            case Fail(reason, message):
                self._handle.say("Normal", reason, message)
                self.state.failure = Waiting(reason, message)
            case Finish():
                self._stop_probes()
                await self._writer.flush(FINAL_WRITE_S)
                await self._ender.finish()

    def _note_refresh(self) -> None:
        assert self._starter is not None
        if self._starter.prepared is not None and self.state.volumes_ready:
            self._refresh_at = min(filter(None, (self._refresh_at, self._starter.prepared.refresh_at)), default=0.0)

    def _spec(self, name: str) -> Object:
        found = podspec.container_named(self._pod, name)
        assert found is not None
        return found

    async def _drop_sandbox(self, id: str) -> None:
        """Everything in it is dead with it."""
        assert self._handle is not None
        self._handle.say("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        self._stop_probes()
        await self._context.runtime.stop_sandbox(id)
        for tracked in self.state.containers.values():
            if tracked.alive and tracked.latest is not None:
                await self._absorb(tracked, tracked.latest.id)
        box = self.state.sandbox
        assert box is not None
        if lose_sandbox(self._pod, self.state, time.time()):
            assert self._starter is not None
            await self._context.runtime.remove_sandbox(id)
            self.state.volumes_ready = False
            await self._starter.make_sandbox(box.attempt + 1)

    async def _absorb(self, tracked: Tracked, id: str, event: Exited | None = None) -> None:
        """A container has ended: its end becomes known to the pod's state and to watchers."""
        known = tracked.latest
        if known is None or known.id != id or known.state == EXITED:
            return
        found = await self._ended_as(known, event)
        if found is None or tracked.latest is None or tracked.latest.id != id or tracked.latest.state == EXITED:
            return
        logs = self._logs_dir() / tracked.name / f"{found.attempt}.log"
        message = await asyncio.to_thread(termination.message, found, logs)
        tracked.latest = termination.with_message(found, message, tracked.latest, oom=id in self.state.oom)
        tracked.started = tracked.ready = False
        assert self._handle is not None
        self._handle.stop_probing(tracked.name)
        self._tell_end(tracked)
        self._changed()

    async def _ended_as(self, known: Container, event: Exited | None) -> Container | None:
        """The event itself says enough, many milliseconds before the runtime's record does; but that knows of an OOM kill for sure,
        and that the log is complete."""
        exit_code = None if event is None or known.state != RUNNING else event.exit_code
        if event is not None and exit_code is not None and exit_code != KILLED and not termination.needs_log(known, exit_code):
            return replace(known, state=EXITED, exit_code=exit_code, finished_at=event.finished_at)
        for pause_s in EXIT_POLLS_S:
            await asyncio.sleep(pause_s)
            try:
                found = await self._context.runtime.container(known.id)
            except RuntimeFailure:
                return None
            if found.state == EXITED:
                return found
        return None

    def _logs_dir(self) -> Path:
        metadata = self._pod["metadata"]
        return self._context.config.pod_logs(metadata["namespace"], metadata["name"], metadata["uid"])

    def _tell_end(self, tracked: Tracked) -> None:
        assert self._handle is not None
        latest = tracked.latest
        assert latest is not None
        self._handle.context.recorder.decide(
            {"apiVersion": "v1", "kind": "Pod", "metadata": self._pod["metadata"]},
            "Exited",
            f"container {tracked.name} ended with exit code {latest.exit_code}",
            container=tracked.name,
            exit_code=latest.exit_code,
            oom=latest.reason == "OOMKilled",
            said=latest.message,
        )
        if tracked.delay_s and not self._ending and restarts(podspec.restart_policy(self._pod), tracked):
            metadata = self._pod["metadata"]
            where = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            self._handle.say("Warning", "BackOff", f"Back-off restarting failed container {tracked.name} in pod {where}", tracked.name)

    def _sandbox_exited(self, id: str) -> None:
        box = self.state.sandbox
        if box is not None and box.id == id and not self.state.finished and not self.state.terminating:
            self.state.sandbox = Sandbox(box.id, box.uid, box.name, box.namespace, box.attempt, False, box.created_at)
            self._changed()

    def _stop_probes(self) -> None:
        assert self._handle is not None
        for name in list(self._handle.probing):
            self._handle.stop_probing(name)

    async def _terminate(self) -> None:
        assert self._ender is not None
        self.state.terminating = True
        self._stop_probes()
        if not self.state.finished:
            await self._ender.end_containers(gone=self._gone)
            await self._settle()
        await asyncio.gather(self._ender.stop_sandbox(), self._last_status())
        await self._context.volumes.remove(self._handle.uid if self._handle is not None else "")
        if not self._gone:
            await self._ender.delete_object()
        await self._sweep()

    async def _settle(self) -> None:
        """Every container's end is known before the last status is written."""
        for tracked in self.state.containers.values():
            if tracked.alive and tracked.latest is not None:
                await self._absorb(tracked, tracked.latest.id)

    async def _last_status(self) -> None:
        if not self._gone:
            self._publish()
            await self._writer.flush(FINAL_WRITE_S)

    async def _sweep(self) -> None:
        assert self._handle is not None
        while True:
            try:
                await sweep(self._context, self._handle.uid)
            except RuntimeFailure as error:
                log.warning("sweep failed", pod=podspec.key_of(self._pod), why=str(error))
                await asyncio.sleep(STEP_RETRY_S)
            else:
                return
