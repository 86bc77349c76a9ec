"""Ending containers and pods politely: proxies first, then preStop, SIGTERM, the grace, SIGKILL; then everything the pod had goes.

Each part may be repeated from the start after an interruption: it looks at what is still there.
"""

import asyncio
import shutil
import time
from dataclasses import replace

import structlog

from pilothouse.aio.tasks import first_of
from pilothouse.engine.node import cgroups, podspec
from pilothouse.engine.node.check.failure import CheckFailed
from pilothouse.engine.node.check.run import hook
from pilothouse.engine.node.podcontext import Context, Handle
from pilothouse.engine.node.podstate import Tracked
from pilothouse.engine.node.probes import kill_grace_s
from pilothouse.engine.node.runtime import Container, Runtime, RuntimeFailure
from pilothouse.model.errors import ApiError, Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS

log = structlog.get_logger("node.ending")

BARRIER_MOST_S = 10.0
AFTER_PRESTOP_S = 2
RETRY_S = 1.0


class Ender:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._context = handle.context
        self._state = handle.state
        self.hurried = asyncio.Event()

    async def kill(self, spec: Object, tracked: Tracked, why: str) -> None:
        """One container that must not go on (a probe or a hook failed); runs in the background."""
        tracked.busy = True
        try:
            await self._stop(spec, tracked, kill_grace_s(self._handle.object, spec, why), why)
        finally:
            tracked.busy = False
            self._handle.changed()

    async def _stop(self, spec: Object, tracked: Tracked, grace_s: int, why: str) -> None:
        container = tracked.latest
        if container is None or not tracked.alive:
            return
        self._handle.say("Normal", "Killing", why, tracked.name)
        began = time.monotonic()
        handler = (spec.get("lifecycle") or {}).get("preStop")
        if handler and grace_s > 0:
            await self._pre_stop(spec, tracked, container, handler, grace_s)
            grace_s = max(AFTER_PRESTOP_S, grace_s - round(time.monotonic() - began))
        try:
            await self._context.runtime.stop_container(container.id, grace_s)
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

    async def kill_all(self, grace_s: int, why: str | None = None) -> None:
        """Ordinary containers at once; sidecars after them, the last started first, in what is left of the grace."""
        pod = self._handle.object
        began = time.monotonic()
        sidecars = [each for each in podspec.init_containers(pod) if podspec.is_sidecar(each)]
        ordinary = [each for each in podspec.all_containers(pod) if each not in sidecars]
        await asyncio.gather(*(self._end(each, grace_s, why) for each in ordinary))
        for each in reversed(sidecars):
            await self._end(each, max(min(grace_s, AFTER_PRESTOP_S), grace_s - round(time.monotonic() - began)), why)

    async def _end(self, spec: Object, grace_s: int, why: str | None) -> None:
        tracked = self._state.of(spec)
        await self._stop(spec, tracked, grace_s, why or f"Stopping container {tracked.name}")

    async def finish(self) -> None:
        """The pod has run to its end: nothing of it runs any more, its address is free; containers stay for their logs."""
        await self.kill_all(podspec.grace_s(self._handle.object))
        box = self._state.sandbox
        if box is not None:
            await self._context.runtime.stop_sandbox(box.id)
            self._state.sandbox = replace(box, ready=False)
        await self._context.volumes.remove(self._handle.uid)
        self._state.finished = True

    async def leave_proxies(self) -> None:
        """No proxy of this process may still send requests here when the process is told to end."""
        ips, grace_s = self._state.ips, podspec.grace_s(self._handle.object)
        if not ips or grace_s <= 0 or podspec.host_network(self._handle.object):
            return
        if not any(tracked.alive for tracked in self._handle.tracked()):
            return
        released = await self._context.barrier.released(ips[0], min(grace_s, BARRIER_MOST_S))
        if not released:
            log.warning("still routed to", pod=podspec.key_of(self._handle.object), address=ips[0])

    async def end_containers(self, *, gone: bool) -> None:
        """All containers within the pod's grace; a grace that is shortened meanwhile counts from then on."""
        while True:
            self.hurried.clear()
            grace_s = podspec.grace_s(self._handle.object)
            if gone:
                # Only a forced deletion takes the object away before its containers have ended.
                grace_s = min(1, grace_s)
            if await first_of(self._ended(grace_s), self._hurried()):
                return

    async def _ended(self, grace_s: int) -> bool:
        await self.leave_proxies()
        while True:
            try:
                await self.kill_all(grace_s)
            except RuntimeFailure as error:
                self._handle.say("Warning", "FailedKillPod", f"error killing pod: {error.why}")
                await asyncio.sleep(RETRY_S)
            else:
                return True

    async def _hurried(self) -> bool:
        await self.hurried.wait()
        return False

    async def stop_sandbox(self) -> None:
        box = self._state.sandbox
        while box is not None:
            try:
                await self._context.runtime.stop_sandbox(box.id)
            except RuntimeFailure as error:
                self._handle.say("Warning", "FailedKillPod", f"error killing pod: {error.why}")
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def delete_object(self) -> None:
        """The last word of a graceful deletion: the object may go."""
        metadata = self._handle.object["metadata"]
        while True:
            try:
                await self._context.client.delete(PODS, metadata["name"], metadata["namespace"], grace_s=0, uid=metadata["uid"])
            except (NotFound, Conflict):
                return
            except ApiError as error:
                log.warning("pod not deleted", pod=podspec.key_of(self._handle.object), error=error.message)
                await asyncio.sleep(RETRY_S)
            else:
                return


async def sweep(context: Context, uid: str) -> None:
    """Removes what the node still has of a pod that is no more: containers, sandboxes, volumes, logs, cgroup."""
    runtime = context.runtime
    namespace_name = await _remove_from_runtime(runtime, uid)
    await context.volumes.remove(uid)
    for folder in context.config.logs_dir.glob(f"*_{uid}"):
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    cgroups.remove(cgroups.pod_parent(context.config.instance, uid))
    log.debug("pod swept", uid=uid, sandboxes=namespace_name)


async def _remove_from_runtime(runtime: Runtime, uid: str) -> int:
    boxes = [box for box in await runtime.sandboxes() if box.uid == uid]
    for box in boxes:
        if box.ready:
            await runtime.stop_sandbox(box.id)
        await runtime.remove_sandbox(box.id)
    return len(boxes)
