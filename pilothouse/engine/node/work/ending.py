"""Ending containers and pods politely: proxies first, then preStop, SIGTERM, the grace, SIGKILL; then everything the pod had goes.

Each part may be repeated from the start after an interruption: it looks at what is still there. All that comes before a process
has ended (proxies, preStop) is taken from the pod's grace, and a grace that is shortened meanwhile shortens whatever is under way.
"""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import replace

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.tasks import first_of
from pilothouse.engine.node.check.failure import CheckFailed
from pilothouse.engine.node.check.probes import kill_grace_s
from pilothouse.engine.node.check.run import hook
from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.signals import stop_signal
from pilothouse.engine.node.pod.state import Tracked
from pilothouse.engine.node.runtime.seam import Container, Runtime, RuntimeFailure
from pilothouse.engine.node.static.manifest import is_static
from pilothouse.engine.node.volumes.volumes import VolumeFailure
from pilothouse.engine.node.work.context import Context, Handle
from pilothouse.engine.node.work.grace import Grace
from pilothouse.model.errors import ApiError, Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS

log = structlog.get_logger("node.ending")

BARRIER_MOST_S = 10.0
IN_FLIGHT_S = 0.5
"""That a pod goes on after the last proxy has left it: programs without a handler for SIGTERM end in the middle of an answer. Without it
one request in a thousand failed while 8 pods were replaced under 300 requests a second; with 0.2 s one in a hundred thousand, on a machine
so busy that answers took up to 0.4 s."""
LEAST_GRACE_S = 1
"""That the node gives to what it ends itself. Source: kubelet/pod_workers.go (calculateEffectiveGracePeriod)."""
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 30.0


class Ender:
    """hurried: set by the worker when the pod has less time than before."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._context = handle.context
        self._state = handle.state
        self.hurried = asyncio.Event()

    async def kill(self, spec: Object, tracked: Tracked, why: str, *, hooks: bool = True) -> None:
        """One container that must not go on (a probe or a hook failed, its image is another). Raises RuntimeFailure."""
        await self._stop(spec, tracked, Grace(kill_grace_s(self._handle.object, spec, why)), why, hooks=hooks)

    async def _stop(
        self, spec: Object, tracked: Tracked, grace: Grace, why: str, *, hooks: bool = True, after: Sequence[asyncio.Event] = ()
    ) -> None:
        """after: of the containers that have to end before this one is told to; its preStop hook does not wait for them."""
        container = tracked.latest
        if container is None or not tracked.alive:
            return
        handler = (spec.get("lifecycle") or {}).get("preStop")
        if not tracked.ending:
            tracked.ending = True
            self._handle.say("Normal", "Killing", why, tracked.name)
            if handler and hooks and grace.total_s > 0:
                await self._pre_stop(spec, tracked, container, handler, grace.left_s)
        for each in after:
            await each.wait()
        try:
            await self._context.runtime.stop_container(container.id, grace.left_s, stop_signal(spec))
        except RuntimeFailure as error:
            if error.code != "NOT_FOUND":
                raise

    async def _pre_stop(self, spec: Object, tracked: Tracked, container: Container, handler: Object, grace_s: int) -> None:
        try:
            warning = await hook(self._context.runtime, handler, spec, container.id, self._handle.probe_ip, grace_s)
        except CheckFailed as error:
            if tracked.alive:
                self._handle.say("Warning", "FailedPreStopHook", f"PreStopHook failed: {error}", tracked.name)
        else:
            if warning:
                self._handle.say("Warning", "LifecycleHTTPFallback", warning, tracked.name)

    async def _kill_all(self, grace: Grace) -> None:
        """The preStop hooks of all at once. Then ordinary containers; sidecars after them, the last started first, in what is left of the
        grace. Source: kuberuntime_container.go (killContainer), kuberuntime_termination_order.go.
        """
        pod = self._handle.object
        sidecars = [each for each in podspec.init_containers(pod) if podspec.is_sidecar(each)]
        ordinary = [each for each in podspec.all_containers(pod) if each not in sidecars]
        works, over = [], []
        for each in ordinary:
            over.append(asyncio.Event())
            works.append(self._end(each, grace, (), over[-1]))
        for each in reversed(sidecars):
            before = tuple(over)
            over.append(asyncio.Event())
            works.append(self._end(each, grace, before, over[-1]))
        for end in await asyncio.gather(*works, return_exceptions=True):
            if isinstance(end, BaseException):
                raise end

    async def _end(self, spec: Object, grace: Grace, after: Sequence[asyncio.Event], over: asyncio.Event) -> None:
        tracked = self._state.of(spec)
        try:
            await self._stop(spec, tracked, grace, f"Stopping container {tracked.name}", after=after)
        finally:
            over.set()

    async def finish(self) -> None:
        """The pod has run to its end: nothing of it runs any more, its address is free; containers stay for their logs."""
        await self.end_containers(leave_proxies=self._state.grace_s is not None)
        box = self._state.sandbox
        if box is not None:
            await self._context.runtime.stop_sandbox(box.id)
            self._state.sandbox = replace(box, ready=False)
        if left := await self._context.volumes.remove(self._handle.uid):
            raise VolumeFailure("; ".join(left))
        self._state.finished = True

    async def _leave_proxies(self, grace: Grace) -> None:
        """No proxy of this process may still send requests here when the process is told to end."""
        ips = self._state.ips
        if not ips or grace.total_s <= 0 or podspec.host_network(self._handle.object):
            return
        if not any(tracked.alive for tracked in self._handle.tracked()):
            return
        barrier = self._context.barrier
        if not await barrier.released(ips[0], min(grace.total_s, BARRIER_MOST_S)):
            log.warning("still routed to", pod=podspec.key_of(self._handle.object), address=ips[0])
        # Requests that came before the proxies left are being answered still. To a pod that nobody routed to there are none.
        if (left_for_s := barrier.left_for_s(ips[0])) < IN_FLIGHT_S:
            await asyncio.sleep(IN_FLIGHT_S - left_for_s)

    async def end_containers(self, *, leave_proxies: bool) -> None:
        """All containers within the pod's grace; a grace that is shortened meanwhile counts from then on."""
        while True:
            self.hurried.clear()
            grace_s = podspec.grace_s(self._handle.object)
            if self._state.grace_s is not None:
                grace_s = max(LEAST_GRACE_S, min(self._state.grace_s, grace_s))
            if self._handle.gone:
                # Only a forced deletion takes the object away before its containers have ended.
                grace_s = min(1, grace_s)
            if await first_of(self._ended(Grace(grace_s, self._handle.spent_grace_s), leave_proxies), self._hurried()):
                return

    async def _ended(self, grace: Grace, leave_proxies: bool) -> bool:
        if leave_proxies:
            await self._leave_proxies(grace)
        backoff = Backoff(RETRY_FIRST_S, cap_s=RETRY_MOST_S)
        while True:
            try:
                await self._kill_all(grace)
            except RuntimeFailure as error:
                self._say_failed(error)
                await asyncio.sleep(backoff.next_s())
            else:
                return True

    async def _hurried(self) -> bool:
        await self.hurried.wait()
        return False

    def _say_failed(self, error: RuntimeFailure) -> None:
        self._handle.say("Warning", "FailedKillPod", f"error killing pod: {error.why}")

    async def stop_sandbox(self) -> None:
        """Tries until the runtime has done it."""
        box, backoff = self._state.sandbox, Backoff(RETRY_FIRST_S, cap_s=RETRY_MOST_S)
        while box is not None:
            try:
                await self._context.runtime.stop_sandbox(box.id)
            except RuntimeFailure as error:
                self._say_failed(error)
                await asyncio.sleep(backoff.next_s())
            else:
                return

    async def remove_volumes(self) -> None:
        """Tries until drivers have let go of the pod's volumes: nobody may think before that they can be used elsewhere.

        A pod that is gone from the API by force is not waited for: the rest is an orphan's.
        """
        backoff = Backoff(RETRY_FIRST_S, cap_s=RETRY_MOST_S)
        while left := await self._context.volumes.remove(self._handle.uid):
            if self._handle.gone:
                return
            self._handle.say("Warning", "FailedUnmount", "; ".join(left))
            await asyncio.sleep(backoff.next_s())

    async def delete_object(self) -> None:
        """The last word of a graceful deletion: the object may go. Tries until the API server has taken it.

        A static pod has no object but its mirror, which goes with its file.
        """
        if is_static(self._handle.object):
            return
        metadata, backoff = self._handle.object["metadata"], Backoff(RETRY_FIRST_S, cap_s=RETRY_MOST_S)
        while True:
            try:
                await self._context.client.delete(PODS, metadata["name"], metadata["namespace"], grace_s=0, uid=metadata["uid"])
            except (NotFound, Conflict):
                return
            except ApiError as error:
                log.warning("pod not deleted", pod=podspec.key_of(self._handle.object), error=error.message)
                await asyncio.sleep(backoff.next_s())
            else:
                return

    async def sweep(self) -> None:
        """Tries until nothing of the pod is left on the node."""
        backoff = Backoff(RETRY_FIRST_S, cap_s=RETRY_MOST_S)
        while True:
            try:
                await sweep(self._context, self._handle.uid)
            except RuntimeFailure as error:
                log.warning("sweep failed", pod=podspec.key_of(self._handle.object), why=str(error))
                await asyncio.sleep(backoff.next_s())
            else:
                return


async def sweep(context: Context, uid: str) -> None:
    """Removes what the node still has of a pod that is no more: containers, sandboxes, volumes, logs, cgroup."""
    boxes = await _remove_from_runtime(context.runtime, uid)
    if await context.volumes.remove(uid):
        # It stays among what the node has of pods that are no more, and is swept again.
        return
    for folder in context.config.logs_dir.glob(f"*_{uid}"):
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    await _clear_cgroup(cgroups.pod_parent(context.config.instance, uid))
    log.debug("pod swept", uid=uid, sandboxes=boxes)


async def _clear_cgroup(parent: str) -> None:
    """Whatever still runs in it is in no container that the runtime knows: it has lost its records."""
    try:
        killed = await asyncio.to_thread(cgroups.clear, parent)
    except OSError as error:
        log.warning("cgroup not removed", cgroup=parent, why=error.strerror or str(error))
        return
    if killed:
        log.warning("processes without a container killed", cgroup=parent, pids=sorted(killed))


async def _remove_from_runtime(runtime: Runtime, uid: str) -> int:
    boxes = [box for box in await runtime.sandboxes() if box.uid == uid]
    for box in boxes:
        if box.ready:
            await runtime.stop_sandbox(box.id)
        await runtime.remove_sandbox(box.id)
    # One that was being created when its sandbox went is in no sandbox any more.
    for container in await runtime.containers():
        if container.uid == uid:
            await runtime.remove_container(container.id)
    return len(boxes)
