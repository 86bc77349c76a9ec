"""Probing one running container: startup, readiness and liveness, each on a clock of its own.

Nothing is aligned to whole seconds: the first try comes with the container, and until a startup or readiness probe over the network
has first succeeded it is tried again soon, so that a pod is ready when it is and not a period later. These early tries never count as
failures. A try that could not be carried out says nothing about the container, and counts for nothing: a runtime that is away for a
while must not cost every container with a probe by command its life. Source: kubelet/prober/worker.go for thresholds and order.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NoReturn

from pilothouse.aio.clock import Steady
from pilothouse.aio.tasks import first_of
from pilothouse.engine.node.check.failure import CheckErrored, CheckFailed
from pilothouse.engine.node.check.run import probe
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.state import Tracked
from pilothouse.engine.node.runtime.seam import Runtime
from pilothouse.model.json import Object

EARLY_FIRST_S, EARLY_GROWTH = 0.03, 1.5


@dataclass(frozen=True, slots=True)
class Timing:
    """Of a probe, defaults filled in."""

    delay_s: float
    period_s: float
    timeout_s: float
    successes: int
    failures: int

    @staticmethod
    def of(spec: Object) -> "Timing":
        return Timing(
            spec.get("initialDelaySeconds") or 0,
            spec.get("periodSeconds") or 10,
            spec.get("timeoutSeconds") or 1,
            spec.get("successThreshold") or 1,
            spec.get("failureThreshold") or 3,
        )


@dataclass(frozen=True, slots=True)
class Probing:
    """What the probes of one incarnation of a container need. changed: called when something became different.

    ending: set when the container is about to end with its pod: from then on its readiness alone is probed, for those who still send
    requests. Source: kubelet/prober (StopLivenessAndStartup).

    say(type, reason, message, kind): something for the pod's events; kind: Startup, Readiness or Liveness.
    """

    runtime: Runtime
    container: Object
    tracked: Tracked
    container_id: str
    ip: str
    changed: Callable[[], None]
    say: Callable[[str, str, str, str], None]
    clock: Steady
    ending: asyncio.Event

    async def run(self) -> None:
        """Until cancelled, or until there is nothing to probe any more."""
        startup = self.container.get("startupProbe")
        if startup and not self.tracked.started and not await first_of(self._starts_up(startup), self._ends()):
            return
        self.tracked.started = True
        readiness, liveness = self.container.get("readinessProbe"), self.container.get("livenessProbe")
        if not readiness:
            self.tracked.ready = True
        self.changed()
        loops: list[Coroutine[Any, Any, bool]] = [self._readiness(readiness)] if readiness else []
        loops += [first_of(self._liveness(liveness), self._ends())] if liveness else []
        await asyncio.gather(*loops)

    async def _ends(self) -> bool:
        await self.ending.wait()
        return False

    async def _starts_up(self, spec: Object) -> bool:
        timing = Timing.of(spec)
        await self._initial_delay(timing)
        failed = 0
        while True:
            tick = self.clock()
            passes = await self._early(spec, timing, "Startup") if failed == 0 else await self._passes(spec, timing, "Startup")
            if passes:
                return True
            failed += passes is False
            if failed >= timing.failures:
                self._condemn(spec, "startup")
                return False
            await self._until(tick + timing.period_s)

    async def _readiness(self, spec: Object) -> NoReturn:
        timing = Timing.of(spec)
        await self._initial_delay(timing)
        tick = self.clock()
        passed = 1 if await self._early(spec, timing, "Readiness") else 0
        failed = 0
        while True:
            self._judge_ready(timing, passed, failed)
            await self._until(tick + timing.period_s)
            tick = self.clock()
            passes = await self._passes(spec, timing, "Readiness")
            if passes is not None:
                passed, failed = (passed + 1, 0) if passes else (0, failed + 1)

    def _judge_ready(self, timing: Timing, passed: int, failed: int) -> None:
        ready = self.tracked.ready
        if passed >= timing.successes:
            ready = True
        elif failed >= timing.failures:
            ready = False
        if ready != self.tracked.ready:
            self.tracked.ready = ready
            self.changed()

    async def _liveness(self, spec: Object) -> bool:
        """False: the container is to be killed."""
        timing = Timing.of(spec)
        await self._initial_delay(timing)
        failed = 0
        while True:
            tick = self.clock()
            passes = await self._passes(spec, timing, "Liveness")
            if passes is not None:
                failed = 0 if passes else failed + 1
            if failed >= timing.failures:
                self._condemn(spec, "liveness")
                return False
            await self._until(tick + timing.period_s)

    def _condemn(self, spec: Object, kind: str) -> None:
        self.tracked.kill = f"Container {self.tracked.name} failed {kind} probe, will be restarted"
        self.changed()

    async def _initial_delay(self, timing: Timing) -> None:
        latest = self.tracked.latest
        started_at = self.clock() if latest is None else self.clock.of(latest.started_at)
        await self._until(started_at + timing.delay_s)

    async def _early(self, spec: Object, timing: Timing, kind: str) -> bool | None:
        """Tries within the first period; only the last of them counts. A command is tried once."""
        if spec.get("exec"):
            return await self._passes(spec, timing, kind)
        end = self.clock() + timing.period_s
        pause_s = EARLY_FIRST_S
        while self.clock() + pause_s < end:
            if await self._passes(spec, timing, kind, counts=False):
                return True
            await asyncio.sleep(pause_s)
            pause_s *= EARLY_GROWTH
        return await self._passes(spec, timing, kind)

    async def _passes(self, spec: Object, timing: Timing, kind: str, *, counts: bool = True) -> bool | None:
        """One try; None when it could not be carried out. counts: whether a failure is worth an event."""
        try:
            warning = await probe(self.runtime, spec, self.container, self.container_id, self.ip, timing.timeout_s)
        except CheckFailed as error:
            self.tracked.probed[kind, "unknown" if isinstance(error, CheckErrored) else "failed"] += 1
            if counts:
                verb = "errored and resulted in unknown state" if isinstance(error, CheckErrored) else "failed"
                self.say("Warning", "Unhealthy", f"{kind} probe {verb}: {error}", kind)
            return None if isinstance(error, CheckErrored) else False
        self.tracked.probed[kind, "successful"] += 1
        if warning:
            self.say("Warning", "ProbeWarning", f"{kind} probe warning: {warning}", kind)
        return True

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self.clock()))


def kill_grace_s(pod: Object, container: Object, why: str) -> int:
    """How long a container that a probe has condemned may take to end: a probe may say so itself."""
    for kind in ("liveness", "startup"):
        given = (container.get(f"{kind}Probe") or {}).get("terminationGracePeriodSeconds")
        if f"failed {kind} probe" in why and given is not None:
            return int(given)
    return podspec.grace_s(pod)
