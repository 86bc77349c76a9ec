"""Carrying out the steps of a pod's plan, one after the other or, where none waits for another, at once.

A step that fails is noted with the time of its next attempt; what nobody foresaw is raised, and the pod's worker is replaced.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from pilothouse.aio.meters import Counter
from pilothouse.aio.process import ProcessFailed
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.state import Waiting
from pilothouse.engine.node.pod.steps import (
    Allocate,
    Discard,
    DropSandbox,
    Fail,
    Finish,
    Kill,
    MakeSandbox,
    MountVolumes,
    RefreshVolumes,
    Resize,
    RestartAll,
    Start,
    Step,
)
from pilothouse.engine.node.runtime.seam import EXITED, RUNNING, Container, RuntimeFailure
from pilothouse.engine.node.volumes.volumes import VolumeFailure
from pilothouse.engine.node.work.adoption import lose_sandbox
from pilothouse.engine.node.work.context import Handle
from pilothouse.engine.node.work.ending import Ender
from pilothouse.engine.node.work.exits import Exits
from pilothouse.engine.node.work.rejections import NotYetRejected
from pilothouse.engine.node.work.resizing import Resizer
from pilothouse.engine.node.work.restarting import Restarting
from pilothouse.engine.node.work.starting import Starter
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object

log = structlog.get_logger("node.worker")

STEPS_FAILED = Counter("pilothouse_pod_worker_failed_steps_total", "Steps of pods that failed and are tried again.", "step")

STEP_ERRORS = (RuntimeFailure, VolumeFailure, ApiError, ProcessFailed, OSError)


class Carrier:
    """show(): publishes the pod's state, and returns when the API knows of it, or within seconds."""

    def __init__(
        self, handle: Handle, *, starter: Starter, ender: Ender, exits: Exits, resizer: Resizer, show: Callable[[], Awaitable[None]]
    ) -> None:
        self._handle, self._context, self._state = handle, handle.context, handle.state
        self._starter, self._ender, self._exits, self._resizer = starter, ender, exits, resizer
        self._restarting = Restarting(handle)
        self._show = show

    async def recall(self) -> None:
        """What an earlier agent had begun."""
        await self._restarting.recall()

    async def take(self, steps: list[Step]) -> None:
        """Steps that do not wait for each other, at once."""
        for end in await asyncio.gather(*map(self._take, steps), return_exceptions=True):
            if isinstance(end, BaseException):
                raise end

    async def _take(self, step: Step) -> None:
        try:
            await self._do(step)
        except STEP_ERRORS as error:
            self._failed(step, error)
        else:
            if not isinstance(step, Kill):
                self._state.failed_steps.pop(step, None)

    def _failed(self, step: Step, error: Exception) -> None:
        kind = type(step).__name__
        STEPS_FAILED.add(kind)
        if isinstance(step, Resize):
            self._resizer.failed(step.name, error)
        pause_s = self._state.step_failed(step, self._context.now())
        log.warning("step failed", pod=podspec.key_of(self._handle.object), step=kind, why=str(error), retry_s=pause_s)
        if isinstance(error, NotYetRejected) or not isinstance(step, (MakeSandbox, MountVolumes, RefreshVolumes)):
            self._handle.say("Warning", "FailedSync", f"error syncing pod: {error}")

    async def _do(self, step: Step) -> None:
        match step:
            case MakeSandbox(attempt):
                await self._starter.make_sandbox(attempt)
            case MountVolumes() | RefreshVolumes():
                await self._starter.mount_volumes()
            case DropSandbox(id):
                await self._drop_sandbox(step, id)
            case Start(name, attempt):
                await self._starter.start(self._spec(name), attempt)
            case Discard(name, id):
                await self._discard(name, id)
            case Kill(name):
                tracked = self._state.containers[name]
                tracked.busy, tracked.redo = True, step.redo
                self._handle.stop_probing(name)
                self._handle.spawn(self._kill(step), f"end of {name}")
            case Allocate():
                await self._resizer.allocate()
            case Resize(name):
                await self._resizer.resize(self._spec(name), self._state.containers[name])
            case RestartAll():
                await self._restarting.begin_again()
            case Fail(reason, message):
                self._handle.say("Normal", reason, message)
                self._state.failure = Waiting(reason, message)
            case Finish():
                await self._finish()

    def _spec(self, name: str) -> Object:
        found = podspec.container_named(self._handle.object, name)
        assert found is not None
        return found

    async def _discard(self, name: str, id: str) -> None:
        """A start that somebody has begun and not seen the end of may have gone on in the runtime: then the container is as it is."""
        tracked = self._state.containers[name]
        known, found = tracked.latest, await self._found(id)
        if known is not None and found is not None and found.state in (RUNNING, EXITED):
            tracked.latest = replace(found, sandbox_id=known.sandbox_id)
            if found.state == RUNNING:
                self._starter.runs(self._spec(name), tracked)
            self._handle.changed()
            return
        await self._context.runtime.remove_container(id)
        tracked.latest = None

    async def _found(self, id: str) -> Container | None:
        try:
            return await self._context.runtime.container(id)
        except RuntimeFailure as error:
            if error.code != "NOT_FOUND":
                raise
            return None

    async def _kill(self, step: Kill) -> None:
        tracked = self._state.containers[step.name]
        try:
            if step.redo:
                await self._restarting.will_redo(step.id)
            await self._ender.kill(self._spec(step.name), tracked, step.why, hooks=step.hooks)
            # Until its end is known it would be killed again.
            await self._exits.settle_one(tracked)
        except STEP_ERRORS as error:
            self._failed(step, error)
        else:
            self._state.failed_steps.pop(step, None)
        finally:
            tracked.busy = False
            self._handle.changed()

    async def _drop_sandbox(self, step: DropSandbox, id: str) -> None:
        """What has outlived it ends first, within the pod's grace, and is known not to have done its work: an app that is told to end
        may well say that it has. Source: kuberuntime_manager.go (SyncPod, step 2).
        """
        if step not in self._state.failed_steps:
            self._handle.say("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        self._handle.stop_probes()
        await self._exits.look()
        if any(tracked.alive for tracked in self._state.containers.values()):
            await self._restarting.will_cut()
            await self._ender.end_containers(leave_proxies=True)
        await self._context.runtime.stop_sandbox(id)
        await self._exits.settle()
        box = self._state.sandbox
        assert box is not None
        if lose_sandbox(self._handle.object, self._state, self._context.clock.stamp()):
            await self._context.runtime.remove_sandbox(id)
            self._state.volumes_ready = False
            self._state.sandbox, self._state.sandbox_attempt = None, box.attempt + 1

    async def _finish(self) -> None:
        self._handle.ending.set()
        await self._show()
        await self._ender.finish()
        await self._exits.settle()
        self._handle.changed()
        self._context.decide_resizes()
