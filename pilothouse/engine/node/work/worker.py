"""One task a pod: compares what is wanted with what there is, takes the next step, looks again.

Level-triggered: whatever happens (a new object, an exit, a probe's verdict, a timer) only wakes the loop. What is to be done and
when is decided by `plan.py` alone; this loop takes the steps, and is slowed down and counted when they lead nowhere.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import structlog

from pilothouse.aio.meters import Counter
from pilothouse.aio.pace import Budget, Pace
from pilothouse.aio.process import ProcessFailed
from pilothouse.aio.tasks import scope
from pilothouse.engine.node.pod import allocation, podspec
from pilothouse.engine.node.pod.state import PodState, Waiting
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
    together,
)
from pilothouse.engine.node.runtime.seam import EXITED, RUNNING, Container, Exited, RuntimeFailure, Sandbox
from pilothouse.engine.node.status.writer import StatusWriter
from pilothouse.engine.node.volumes.volumes import VolumeFailure
from pilothouse.engine.node.work.adoption import adopt, lose_sandbox, matters, spent_grace_s
from pilothouse.engine.node.work.context import Context, Handle
from pilothouse.engine.node.work.ending import Ender
from pilothouse.engine.node.work.exits import Exits
from pilothouse.engine.node.work.plan import Plan, plan
from pilothouse.engine.node.work.rejections import NotYetRejected
from pilothouse.engine.node.work.resizing import Resizer
from pilothouse.engine.node.work.restarting import Restarting
from pilothouse.engine.node.work.starting import Starter
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object

log = structlog.get_logger("node.worker")

SLOWED = Counter("pilothouse_pod_worker_slowed_total", "How often the loop of a pod came round too fast and had to wait.")
STEPS_FAILED = Counter("pilothouse_pod_worker_failed_steps_total", "Steps of pods that failed and are tried again.", "step")

ROUNDS = Budget(burst=100, refill_s=0.1)
SAME_STEPS_S, LEAST_REST_S = 0.05, 0.001
FINAL_WRITE_S = 5.0
TERMINATED = "Pod was terminated in response to imminent node shutdown."
TERMINAL = ("Succeeded", "Failed")
STEP_ERRORS = (RuntimeFailure, VolumeFailure, ApiError, ProcessFailed, OSError)


class PodWorker:
    """pod: as first seen. sandboxes, containers: what the runtime has of it already. Making a worker never fails: what cannot be taken
    over is raised by `run`, so that it hurts the pod's own task alone.

    Callbacks use `update`, `removed`, `refresh`, `exited`, `doubt` and `out_of_memory`; `run` is the worker's task.
    """

    def __init__(self, context: Context, pod: Object, sandboxes: list[Sandbox], containers: list[Container]) -> None:
        self._context = context
        self._wake = asyncio.Event()
        self._end = asyncio.Event()
        self.state = PodState()
        self._handle = Handle(context, pod, self.state, self._changed, self.refresh)
        self._starter, self._ender, self._exits = Starter(self._handle), Ender(self._handle), Exits(self._handle)
        self._writer = StatusWriter(context.client, context.config.addresses, context.clock)
        self._early: list[Exited] = []
        self._over = False
        self._asks: tuple[Object | None, Mapping[str, int]] = (None, {})
        self._pace = Pace(ROUNDS)
        self._last: tuple[float, list[Step], list[str]] = (0.0, [], [])
        self._resizer, self._restarting = Resizer(self._handle), Restarting(self._handle)
        self._quiet = False
        self._not_adopted: Exception | None = None
        try:
            self._adopt(pod, sandboxes, containers)
        except Exception as error:
            self._not_adopted = error

    def _adopt(self, pod: Object, sandboxes: list[Sandbox], containers: list[Container]) -> None:
        context, status = self._context, pod.get("status") or {}
        self.state.started_at = meta.parse_rfc3339(status["startTime"]) if status.get("startTime") else context.clock.stamp()
        self.state.active_since = context.clock.of(self.state.started_at)
        adopt(pod, self.state, sandboxes, containers, context.clock.stamp())
        self._resizer.adopt(pod)
        self._handle.spent_grace_s = spent_grace_s(pod, context.clock.stamp())
        for tracked in self.state.containers.values():
            if tracked.exited and tracked.latest is not None:
                tracked.ended_at = context.clock.of(tracked.latest.finished_at or tracked.latest.created_at)
        # A pod that had ended before we knew it: its status was written by whoever saw its end.
        self._quiet = status.get("phase") in TERMINAL
        self.state.finished = self._quiet and not self.state.has_sandbox

    @property
    def pod(self) -> Object:
        return self._handle.object

    @property
    def is_gone(self) -> bool:
        return self._handle.gone

    @property
    def wanted(self) -> Object:
        """The pod with the resources that its spec asks for, which may not be allotted yet."""
        return allocation.with_allocation(self.pod, self.state.wanted)

    @property
    def asks(self) -> Mapping[str, int]:
        """What the pod is allotted, as `allocation.asks` counts it; counted once for each change of the object."""
        pod, found = self._asks
        if pod is not self.pod:
            found = allocation.asks(self.pod)
            self._asks = (self.pod, found)
        return found

    @property
    def resize(self) -> Resizer | None:
        """Of a pod that waits for other resources; None for others, and while nothing of the pod is known yet."""
        waits = self._handle.tasks is not None and self.is_active and self._resizer.is_pending
        return self._resizer if waits else None

    def update(self, pod: Object) -> None:
        old, self._handle.object = self._handle.object, self._resizer.seen(pod)
        self._writer.observe(pod)
        if not matters(old, pod):
            return
        if podspec.grace_s(pod) < podspec.grace_s(old):
            self._ender.hurried.set()
        for container in podspec.all_containers(pod):
            before = podspec.container_named(old, container["name"])
            if before is not None and before["image"] != container["image"]:
                self.state.of(container).forget_failures()
        self._want_refresh()
        self._woken()

    def mirrored(self, mirror: Object | None) -> None:
        """Of a static pod: what the API shows of it, None while it shows nothing. Of its status only conditions may come from others."""
        conditions = ((mirror or {}).get("status") or {}).get("conditions")
        if conditions:
            self._handle.object = self._handle.object | {"status": (self.pod.get("status") or {}) | {"conditions": conditions}}
        self._writer.mirrored(mirror)

    def removed(self) -> None:
        """The object is gone from the API."""
        self._handle.gone = True
        self._ender.hurried.set()
        self._woken()

    def shut_down(self, grace_s: int) -> None:
        """The node is about to stop: the pod ends for good, within its grace and this one."""
        self.state.grace_s = grace_s
        if self._fail("Terminated", TERMINATED):
            self.state.disruption = TERMINATED
            self._handle.say("Warning", "Terminated", TERMINATED)
        self._ender.hurried.set()

    def reject(self, reason: str, message: str) -> None:
        """The node does not take the pod: it has failed before anything of it runs."""
        self._fail(reason, message)

    def _fail(self, reason: str, message: str) -> bool:
        """False for a pod that ends already, or has."""
        fails = self.state.failure is None and not self.has_ended and not self._handle.is_ending
        if fails:
            self.state.failure = Waiting(reason, message)
        self._woken()
        return fails

    @property
    def has_ended(self) -> bool:
        """Nothing of the pod runs any more, nor will."""
        return self.state.finished or self._over

    async def told(self) -> None:
        """Returns when the API knows of what was published last, or within seconds."""
        if not self._over:
            await self._writer.flush(FINAL_WRITE_S)

    def refresh(self) -> None:
        """Something that the pod's volumes or environment refer to has changed, so what failed for want of it is tried at once."""
        self._want_refresh()
        for step in (MountVolumes(), RefreshVolumes()):
            self.state.failed_steps.pop(step, None)
        for tracked in self.state.containers.values():
            if tracked.waiting is not None and tracked.waiting.reason == "CreateContainerConfigError":
                tracked.retry_at = 0.0
        self._wake.set()

    def _want_refresh(self) -> None:
        self.state.refresh_wanted = True
        # The same steps as before are no idle repetition now: they were asked for. The budget of rounds still holds.
        self._last = (0.0, [], [])

    def exited(self, event: Exited) -> None:
        """The runtime says that the sandbox or a container of it has ended."""
        id = event.container_id
        if self._handle.tasks is None:
            self._early.append(event)
        elif self.state.sandbox is not None and self.state.sandbox.id == id:
            self._sandbox_ended(id)
        elif (tracked := self.state.by_id(id)) is not None:
            self._exits.note(tracked, event)

    def doubt(self, id: str) -> None:
        """The runtime has not listed the sandbox or container as running: it is asked for this one before that is believed."""
        if self._handle.tasks is None:
            return
        if self.state.sandbox is not None and self.state.sandbox.id == id:
            self._handle.spawn(self._confirm_sandbox(id), "sandbox check")
        elif (tracked := self.state.by_id(id)) is not None:
            self._exits.doubt(tracked, id)

    def out_of_memory(self, id: str) -> None:
        # Those of containers that nobody can ask for any more are forgotten: a pod may go on like this for years.
        self.state.oom = self.state.oom & set(self.kept_containers()) | {id}

    @property
    def is_active(self) -> bool:
        """Whether it runs, or is to run, and nobody has decided its end."""
        return not (self._handle.is_ending or self.state.finished or self.state.failure is not None or podspec.has_ended(self.pod))

    def evict(self, reason: str, message: str, *, grace_s: int, disrupts: bool) -> None:
        """The node ends the pod for good: its phase becomes Failed once its containers have ended, within the grace.

        disrupts: whether the pod is a target of disruption, for Jobs and budgets to see.
        """
        self.state.failure, self.state.grace_s = Waiting(reason, message), grace_s
        self.state.disruption = message if disrupts else ""
        self._handle.say("Warning", reason, message)
        self._wake.set()

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
        if self._not_adopted is not None:
            raise self._not_adopted
        try:
            await self._run()
        except BaseException:
            # Callbacks go on until another worker has taken its place, and must not start anything in a scope that is over.
            self._handle.tasks = None
            raise

    async def _run(self) -> None:
        async with scope() as tasks:
            await self._exits.recall()
            await self._resizer.recall()
            await self._restarting.recall()
            self._handle.tasks = tasks
            # Without it nothing that the worker does is seen: when it breaks, so does the worker, and is replaced.
            tasks.spawn(self._writer.run(), name=f"pod {podspec.key_of(self.pod)} status")
            self._take_over()
            await self._live()
            await self._terminate()
            self._over = True
            tasks.cancel()

    def _take_over(self) -> None:
        """Hooks and probes of what runs already, and what has happened since it was looked at."""
        for spec in podspec.all_containers(self.pod):
            tracked = self.state.of(spec)
            if tracked.alive:
                self._starter.runs(spec, tracked)
        for event in self._early:
            self.exited(event)
        self._early.clear()

    def _changed(self) -> None:
        self._publish()
        self._wake.set()

    def _woken(self) -> None:
        if self._handle.is_ending:
            self._end.set()
        self._wake.set()

    def _publish(self) -> None:
        if not self._quiet:
            self._writer.publish(self.pod, self.state)

    async def _live(self) -> None:
        if self._handle.is_ending:
            return
        while not self._end.is_set():
            self._wake.clear()
            # Others get their turn, whatever the steps await.
            await asyncio.sleep(0)
            await self._slow_down(self._pace.round(self._loop_time()))
            self._publish()
            todo = plan(self.pod, self.state, self._context.now())
            self.state.keep_failed([*todo.steps, *todo.held])
            if todo.steps:
                await self._take_all(todo)
            else:
                await self._rest(todo.wake_at)

    async def _take_all(self, todo: Plan) -> None:
        at, steps, pulled = self._last
        if todo.steps == steps and self._pulled() == pulled:
            # They have been taken and are still to be taken: nothing has come of them.
            await self._slow_down(at + SAME_STEPS_S - self._loop_time())
        self._last = (self._loop_time(), todo.steps, self._pulled())
        for steps in together(todo.steps):
            if self._end.is_set():
                return
            ends = await asyncio.gather(*map(self._take, steps), return_exceptions=True)
            for end in ends:
                if isinstance(end, BaseException):
                    raise end

    def _pulled(self) -> list[str]:
        """Containers whose images have come: the same step leads on now."""
        return [name for name, tracked in self.state.containers.items() if tracked.pulled]

    async def _slow_down(self, pause_s: float) -> None:
        if pause_s <= 0:
            return
        SLOWED.add()
        await self._wait(self._end, pause_s)

    async def _rest(self, wake_at: float) -> None:
        """Until something happens or the plan's time has come. A time that has passed is a mistake of the plan's, not a reason to hurry."""
        if wake_at and wake_at <= self._context.now():
            await self._slow_down(SAME_STEPS_S)
        else:
            # Timers are not exact: one that rings a moment too early must not be set again for no time at all.
            await self._wait(self._wake, max(LEAST_REST_S, wake_at - self._context.now()) if wake_at else None)

    async def _wait(self, event: asyncio.Event, timeout_s: float | None) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return

    def _loop_time(self) -> float:
        return asyncio.get_running_loop().time()

    async def _take(self, step: Step) -> None:
        try:
            await self._do(step)
        except STEP_ERRORS as error:
            self._failed(step, error)
        else:
            if not isinstance(step, Kill):
                self.state.failed_steps.pop(step, None)

    def _failed(self, step: Step, error: Exception) -> None:
        kind = type(step).__name__
        STEPS_FAILED.add(kind)
        if isinstance(step, Resize):
            self._resizer.failed(step.name, error)
        pause_s = self.state.step_failed(step, self._context.now())
        log.warning("step failed", pod=podspec.key_of(self.pod), step=kind, why=str(error), retry_s=pause_s)
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
                tracked = self.state.containers[name]
                tracked.busy, tracked.redo = True, step.redo
                self._handle.stop_probing(name)
                self._handle.spawn(self._kill(step), f"end of {name}")
            case Allocate():
                await self._resizer.allocate()
            case Resize(name):
                await self._resizer.resize(self._spec(name), self.state.containers[name])
            case RestartAll():
                await self._restarting.begin_again()
            case Fail(reason, message):
                self._handle.say("Normal", reason, message)
                self.state.failure = Waiting(reason, message)
            case Finish():
                await self._finish()

    async def _discard(self, name: str, id: str) -> None:
        """A start that somebody has begun and not seen the end of may have gone on in the runtime: then the container is as it is."""
        tracked = self.state.containers[name]
        known, found = tracked.latest, await self._found(id)
        if known is not None and found is not None and found.state in (RUNNING, EXITED):
            tracked.latest = replace(found, sandbox_id=known.sandbox_id)
            if found.state == RUNNING:
                self._starter.runs(self._spec(name), tracked)
            self._changed()
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
        tracked = self.state.containers[step.name]
        try:
            if step.redo:
                await self._restarting.will_redo(step.id)
            await self._ender.kill(self._spec(step.name), tracked, step.why, hooks=step.hooks)
            # Until its end is known it would be killed again.
            await self._exits.settle_one(tracked)
        except STEP_ERRORS as error:
            self._failed(step, error)
        else:
            self.state.failed_steps.pop(step, None)
        finally:
            tracked.busy = False
            self._changed()

    async def _finish(self) -> None:
        self._handle.ending.set()
        self._publish()
        await self._writer.flush(FINAL_WRITE_S)
        await self._ender.finish()
        await self._exits.settle()
        self._publish()
        self._context.decide_resizes()

    def _spec(self, name: str) -> Object:
        found = podspec.container_named(self.pod, name)
        assert found is not None
        return found

    async def _drop_sandbox(self, step: DropSandbox, id: str) -> None:
        """What still runs in it ends with it, at once: told to end in peace, a container could seem to have done its work."""
        if step not in self.state.failed_steps:
            self._handle.say("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        self._handle.stop_probes()
        await self._context.runtime.stop_sandbox(id)
        await self._exits.settle()
        box = self.state.sandbox
        assert box is not None
        if lose_sandbox(self.pod, self.state, self._context.clock.stamp()):
            await self._context.runtime.remove_sandbox(id)
            self.state.volumes_ready = False
            self.state.sandbox, self.state.sandbox_attempt = None, box.attempt + 1

    async def _confirm_sandbox(self, id: str) -> None:
        try:
            found = await self._context.runtime.sandbox(id)
        except RuntimeFailure as error:
            if error.code == "NOT_FOUND":
                self._sandbox_ended(id)
        else:
            if not found.ready:
                self._sandbox_ended(id)

    def _sandbox_ended(self, id: str) -> None:
        box = self.state.sandbox
        if box is not None and box.id == id and box.ready and not self.state.finished and not self.state.terminating:
            self.state.sandbox = replace(box, ready=False, ips=())
            self._changed()

    async def _terminate(self) -> None:
        self.state.terminating = True
        self._handle.ending.set()
        if not self.state.finished:
            await self._ender.end_containers(leave_proxies=True)
            await self._exits.settle()
        await asyncio.gather(self._ender.stop_sandbox(), self._last_status())
        await self._context.volumes.remove(self._handle.uid)
        if not self._handle.gone:
            await self._ender.delete_object()
        await self._ender.sweep()

    async def _last_status(self) -> None:
        if not self._handle.gone:
            self._publish()
            await self._writer.flush(FINAL_WRITE_S)
