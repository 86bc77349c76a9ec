"""One task a pod: compares what is wanted with what there is, takes the next step, looks again.

Level-triggered: whatever happens (a new object, an exit, a probe's verdict, a timer) only wakes the loop. What is to be done and
when is decided by `plan.py` alone; `carrying.py` takes the steps, and `rounds.py` slows the loop down when they lead nowhere.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from pilothouse.aio.tasks import scope
from pilothouse.engine.node.pod import allocation, podspec
from pilothouse.engine.node.pod.state import PodState, Waiting
from pilothouse.engine.node.pod.steps import MountVolumes, RefreshVolumes, together
from pilothouse.engine.node.runtime.seam import Container, Exited, RuntimeFailure, Sandbox
from pilothouse.engine.node.status.writer import StatusWriter
from pilothouse.engine.node.work.adoption import adopt, matters, spent_grace_s
from pilothouse.engine.node.work.carrying import Carrier
from pilothouse.engine.node.work.context import Context, Handle
from pilothouse.engine.node.work.ending import Ender
from pilothouse.engine.node.work.exits import Exits
from pilothouse.engine.node.work.plan import Plan, plan
from pilothouse.engine.node.work.resizing import Resizer
from pilothouse.engine.node.work.rounds import Rounds
from pilothouse.engine.node.work.starting import Starter
from pilothouse.model import meta
from pilothouse.model.json import Object

FINAL_WRITE_S = 5.0
TERMINATED = "Pod was terminated in response to imminent node shutdown."
TERMINAL = ("Succeeded", "Failed")


class PodWorker:
    """pod: as first seen. sandboxes, containers: what the runtime has of it already. Making a worker never fails: what cannot be taken
    over is raised by `run`, so that it hurts the pod's own task alone.

    Callbacks use `update`, `removed`, `refresh`, `exited`, `doubt` and `out_of_memory`; `run` is the worker's task.
    """

    def __init__(self, context: Context, pod: Object, sandboxes: list[Sandbox], containers: list[Container]) -> None:
        self._context = context
        self._rounds = Rounds(context.now)
        self.state = PodState()
        self._handle = Handle(context, pod, self.state, self._changed, self.refresh)
        self._starter, self._ender, self._exits = Starter(self._handle), Ender(self._handle), Exits(self._handle)
        self._writer = StatusWriter(context.client, context.config.addresses, context.clock)
        self._early: list[Exited] = []
        self._over = False
        self._asks: tuple[Object | None, Mapping[str, int]] = (None, {})
        self._resizer = Resizer(self._handle)
        self._carrier = Carrier(
            self._handle, starter=self._starter, ender=self._ender, exits=self._exits, resizer=self._resizer, show=self._show
        )
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
        """What the pod is allotted, as `allocation.asks` counts it; counted once for each change of the object.

        Until what an earlier agent has allotted has been read, that is what its containers were made with or what its spec asks for,
        whichever is more: nobody is to be given room that may be this pod's.
        """
        if self._handle.tasks is None:
            made, wanted = allocation.asks(self.pod), allocation.asks(self.wanted)
            return {resource: max(amount, wanted[resource]) for resource, amount in made.items()}
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
        self._rounds.wake()

    def _want_refresh(self) -> None:
        self.state.refresh_wanted = True
        self._rounds.ask_again()

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
        # It may be ending already, in its own grace.
        self._ender.hurried.set()
        self._rounds.wake()

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
            # A pod that has just come has no folder yet, and none of the files that are read from it.
            if self._context.config.pod_dir(self._handle.uid).exists():
                await self._resizer.recall()
                await self._carrier.recall()
            self._handle.tasks = tasks
            # Without it nothing that the worker does is seen: when it breaks, so does the worker, and is replaced.
            tasks.spawn(self._writer.run(), name=f"pod {podspec.key_of(self.pod)} status")
            self._take_over()
            await self._live()
            await self._terminate()
            # What is heard of it from here on, by who had asked the runtime before, concerns nobody.
            self._over, self._handle.tasks = True, None
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
        self._rounds.wake()

    def _woken(self) -> None:
        if self._handle.is_ending:
            self._rounds.end.set()
        self._rounds.wake()

    def _publish(self) -> None:
        if not self._quiet:
            self._writer.publish(self.pod, self.state)

    async def _live(self) -> None:
        if self._handle.is_ending:
            return
        while not self._rounds.end.is_set():
            await self._rounds.begin()
            self._publish()
            todo = plan(self.pod, self.state, self._context.now())
            self.state.keep_failed([*todo.steps, *todo.held])
            if todo.steps:
                await self._take(todo)
            else:
                await self._rounds.rest(todo.wake_at)

    async def _take(self, todo: Plan) -> None:
        pulled = [name for name, tracked in self.state.containers.items() if tracked.pulled]
        await self._rounds.before(todo.steps, pulled)
        for steps in together(todo.steps):
            if self._rounds.end.is_set():
                return
            await self._carrier.take(steps)

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
        await self._ender.remove_volumes()
        if not self._handle.gone:
            await self._ender.delete_object()
        await self._ender.sweep()

    async def _last_status(self) -> None:
        if not self._handle.gone:
            await self._show()

    async def _show(self) -> None:
        self._publish()
        await self._writer.flush(FINAL_WRITE_S)
