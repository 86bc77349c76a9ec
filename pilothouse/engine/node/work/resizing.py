"""Resizing a pod in place: what is allotted is decided and kept first, then given to the containers that run.

Kept in a file of the pod's folder: containers in the runtime only say what they were made with, and the spec only what is wanted, so
an agent that begins anew would otherwise take a resize that had no room for allotted. Source: KEP-1287.
"""

import asyncio
from pathlib import Path

from pilothouse.engine.node.files import durable
from pilothouse.engine.node.host.cgroups import pod_parent, weigh
from pilothouse.engine.node.pod import allocation, podspec
from pilothouse.engine.node.pod.state import Tracked, Waiting
from pilothouse.engine.node.request import container
from pilothouse.engine.node.request.resources import CPU_PERIOD_US
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.engine.node.work.context import Handle
from pilothouse.model import meta
from pilothouse.model.json import JSONError, Object, dumps, loads

FILE = "resources.json"
RETRY_S = 180.0
UNLIMITED = -1


class Resizer:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._state = handle.state
        self._context = handle.context
        self._applied: dict[str, Object] = {}
        self._before: allocation.Allocation | None = None

    @property
    def _file(self) -> Path:
        return self._context.config.pod_dir(self._handle.uid) / FILE

    def adopt(self, pod: Object) -> None:
        """What was allotted when nothing else is known: what the containers were made with last."""
        state = self._state
        made = {name: last for name, each in state.containers.items() if (last := each.latest or each.previous) is not None}
        state.allocated = allocation.of_runtime(pod, made)
        self._handle.object = self.seen(pod)
        pending = meta.condition(pod, "PodResizePending") or {}
        if pending.get("reason") == "Deferred" and pending.get("lastTransitionTime"):
            state.resize_since = self._context.clock.of(meta.parse_rfc3339(pending["lastTransitionTime"]))

    def seen(self, pod: Object) -> Object:
        """The pod as the node goes by it; its spec says what is wanted from now on."""
        self._state.wants(allocation.of_spec(pod))
        return allocation.with_allocation(pod, self._state.allocated)

    async def recall(self) -> None:
        kept = await asyncio.to_thread(_read, self._file)
        if kept is None:
            return
        state = self._state
        state.allocated = {name: kept["allocated"].get(name, found) for name, found in state.allocated.items()}
        self._applied = kept["applied"]
        for tracked in state.containers.values():
            if tracked.latest is not None and tracked.latest.id in self._applied:
                tracked.actual = self._applied[tracked.latest.id]
        self._handle.object = allocation.with_allocation(self._handle.object, state.allocated)
        state.resize_due = state.wanted != state.allocated

    @property
    def turn(self) -> tuple[bool, int, int, float]:
        """Where among the resizes of this node it stands; the smallest is decided first."""
        pod = self._handle.object
        return allocation.turn(allocation.with_allocation(pod, self._state.wanted), pod, self._state.resize_since)

    @property
    def is_pending(self) -> bool:
        """Whether it is to be decided, or to be decided anew as soon as there is room."""
        problem = self._state.resize_problem
        return self._state.resize_due or (problem is not None and problem.reason == "Deferred")

    def decide(self) -> None:
        """Takes what there is room for, before anybody else can: the step Allocate keeps it."""
        state = self._state
        pod = allocation.with_allocation(self._handle.object, state.wanted)
        grows = allocation.grows(pod, self._handle.object)
        found = allocation.problem(pod, self._context.used_beside(self._handle.uid), self._context.allocatable) if grows else None
        state.resize_due, state.resize_retry_at = False, 0.0
        if found is not None:
            self._put_off(Waiting(*found))
            return
        if self._before is None:
            self._before = state.allocated
        state.resize_taken, state.resize_problem = True, None
        self._take(state.wanted)
        self._handle.refresh()

    async def allocate(self) -> None:
        """Raises OSError when what was decided cannot be kept."""
        state = self._state
        if not state.resize_taken:
            self._context.decide_resizes()
            if state.resize_due or (state.resize_retry_at and self._context.now() >= state.resize_retry_at):
                self.decide()
        before, taken = self._before, state.allocated
        if before is None:
            return
        try:
            await self._keep()
        except OSError:
            self._before, state.resize_taken, state.resize_due = None, False, True
            self._take(before)
            raise
        if state.allocated is not taken:
            # Decided anew meanwhile: kept once more.
            return
        self._before, state.resize_taken = None, False
        state.resize_error = ""
        self._handle.say("Normal", "ResizeStarted", "Pod resize started")
        self._context.decide_resizes()

    def _put_off(self, why: Waiting) -> None:
        if why != self._state.resize_problem:
            self._handle.say("Warning", f"Resize{why.reason}", f"Pod resize {why.reason}: {why.message}")
        self._state.resize_problem = why
        if why.reason == "Deferred":
            self._state.resize_retry_at = self._context.now() + RETRY_S
            self._state.resize_since = min(self._state.resize_since, self._context.now())

    def _take(self, allocated: allocation.Allocation) -> None:
        self._state.allocated = allocated
        self._handle.object = allocation.with_allocation(self._handle.object, allocated)
        # Volumes may show what a container may use.
        self._state.refresh_wanted = True

    async def resize(self, spec: Object, tracked: Tracked) -> None:
        """Gives a container that runs what it has been allotted. Raises RuntimeFailure, OSError."""
        pod, latest = self._handle.object, tracked.latest
        if latest is None:
            return
        wanted, before = spec.get("resources") or {}, tracked.actual or {}
        await self._check_memory(latest.id, spec, before)
        parent = pod_parent(self._context.config.instance, self._handle.uid)
        await asyncio.to_thread(weigh, parent, podspec.pod_cpu_shares(pod))
        await self._context.runtime.update_container(latest.id, update(pod, spec, before, self._context.memory_bytes))
        tracked.actual = wanted
        self._applied = {id: each for id, each in self._applied.items() if self._state.by_id(id) is not None} | {latest.id: wanted}
        await self._keep()
        self._state.resize_error = ""
        self._handle.say("Normal", "ResizeCompleted", "Container resize completed", tracked.name)
        self._handle.changed()

    def failed(self, name: str, error: Exception) -> None:
        why = error.why if isinstance(error, RuntimeFailure) else str(error)
        self._state.resize_error = why
        self._handle.say("Warning", "ResizeError", f"Container resize failed: {why}", name)

    async def _check_memory(self, id: str, spec: Object, before: Object) -> None:
        """The kernel would take what is in use beyond a lower limit back, or kill the container."""
        limit, was = podspec.amount(spec, "limits", "memory"), podspec.amount({"resources": before}, "limits", "memory")
        if limit is None or (was is not None and limit.amount >= was.amount):
            return
        for usage in await self._context.runtime.usage():
            used = max(usage.memory_bytes, usage.rss_bytes)
            if usage.container_id == id and used > limit.value:
                why = f"attempting to set container memory limit ({limit.value}) below current usage ({used})"
                raise RuntimeFailure("UpdateContainerResources", why, "FAILED_PRECONDITION")

    async def _keep(self) -> None:
        await asyncio.to_thread(durable.write, self._file, dumps({"allocated": dict(self._state.allocated), "applied": self._applied}))


def update(pod: Object, spec: Object, before: Object, node_memory_bytes: int) -> api.LinuxContainerResources:
    """A limit that is new or other is stated; the score for the kernel stays, since it follows from what was asked for at the start."""
    found = container.resources(pod, spec, node_memory_bytes)
    if not found.cpu_quota and podspec.amount({"resources": before}, "limits", "cpu") is not None:
        found.cpu_period, found.cpu_quota = CPU_PERIOD_US, UNLIMITED
    if not found.memory_limit_in_bytes and podspec.amount({"resources": before}, "limits", "memory") is not None:
        found.memory_limit_in_bytes = found.memory_swap_limit_in_bytes = UNLIMITED
    found.oom_score_adj = 0
    return found


def _read(file: Path) -> Object | None:
    """None for a file that is not there, or that nobody can read any more: then the runtime says what there is to know."""
    try:
        found: Object = loads(file.read_bytes())
    except (FileNotFoundError, JSONError):
        return None
    return found if isinstance(found.get("allocated"), dict) and isinstance(found.get("applied"), dict) else None
