"""What the agent knows about one pod beside its object: sandbox, containers, and why something that should run does not.

Rebuilt from the runtime when the agent starts; what cannot be rebuilt (back-offs, probe results) starts afresh.
"""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.allocation import Allocation, made_with
from pilothouse.engine.node.pod.steps import Step
from pilothouse.engine.node.runtime.seam import EXITED, RUNNING, WANTED_IMAGE, Container, Sandbox
from pilothouse.model.json import Object

CRASH_FIRST_S, CRASH_MOST_S, CRASH_RESET_S = 10.0, 300.0, 600.0
PULL_SHOWN_S = 1.0
STEP_FIRST_S, STEP_MOST_S = 1.0, 60.0


class Waiting(NamedTuple):
    reason: str
    message: str = ""


class FailedStep(NamedTuple):
    """failures: in a row. retry_at: seconds since the epoch."""

    failures: int
    retry_at: float


def crash_pause_s(restarts: int) -> float:
    """The back-off of a container that has restarted so often; for one whose earlier back-offs nobody remembers."""
    # Restarts have no bound, and floating point numbers do.
    return min(CRASH_MOST_S, CRASH_FIRST_S * 2.0 ** min(restarts - 1, 16)) if restarts > 0 else 0.0


@dataclass(slots=True)
class Tracked:
    """One container of the pod. latest: its newest incarnation in this sandbox; previous: the one that ended before it.

    waiting: why the last attempt to start it failed; retry_at: no other attempt before that time.
    ended_at: when the newest incarnation ended, by the clock that plans go by; 0.0: as the runtime has stamped it.
    crash_s: delay before its next restart counted from its end. busy: something is under way in the background (pull, kill).
    hooked: its postStart hook has ended. started, ready: as probes say. kill: why it is to be killed and restarted; "" for not.
    redo: it was ended since its definition changed, and is started again whatever its restart policy says.
    probed: how often its probes ended how, by kind of probe and result.
    ending: its end has begun, so it has been announced and the preStop hook has been run once.
    cut: it ended, or is about to, since its sandbox had died: it has not done its work, whatever it ended with.
    actual: the resources that the newest incarnation has; None when that is not known.
    """

    name: str
    latest: Container | None = None
    previous: Container | None = None
    waiting: Waiting | None = None
    failed_at: float = 0.0
    retry_at: float = 0.0
    failures: int = 0
    ended_at: float = 0.0
    crash_s: float = 0.0
    busy: bool = False
    pulled: bool = False
    hooked: bool = False
    started: bool = False
    ready: bool = False
    kill: str = ""
    redo: bool = False
    ending: bool = False
    cut: bool = False
    actual: Object | None = None
    probed: "Counter[tuple[str, str]]" = field(default_factory=Counter)

    @property
    def image(self) -> str:
        """The image that the newest incarnation was made for, as its specification named it; "" when that is not known."""
        return "" if self.latest is None else self.latest.annotations.get(WANTED_IMAGE, "")

    @property
    def running(self) -> bool:
        """Running as users mean it: its postStart hook is over as well."""
        return self.alive and self.hooked

    @property
    def alive(self) -> bool:
        return self.latest is not None and self.latest.state == RUNNING

    @property
    def exited(self) -> bool:
        return self.latest is not None and self.latest.state == EXITED

    @property
    def succeeded(self) -> bool:
        return self.latest is not None and self.latest.state == EXITED and self.latest.exit_code == 0 and not self.cut

    @property
    def restarts(self) -> int:
        if self.latest is not None:
            return self.latest.restarts
        return 0 if self.previous is None else self.previous.restarts

    @property
    def next_attempt(self) -> int:
        last = self.latest or self.previous
        return 0 if last is None else last.attempt + 1

    @property
    def delay_s(self) -> float:
        """How long after its end it may be started again; a long run wipes out what came before."""
        if (
            self.latest is None
            or self.redo
            or (self.latest.started_at and self.latest.finished_at - self.latest.started_at >= CRASH_RESET_S)
        ):
            return 0.0
        return self.crash_s

    @property
    def restart_at(self) -> float:
        if self.latest is None or not self.delay_s:
            return 0.0
        return (self.ended_at or self.latest.finished_at or self.latest.created_at) + self.delay_s

    def begins(self, container: Container) -> None:
        """A new incarnation runs."""
        if self.exited:
            self._count_crash()
            self.previous = self.latest
        self.latest, self.ended_at, self.actual = container, 0.0, made_with(container)
        self.waiting, self.retry_at, self.failures, self.pulled, self.kill, self.redo = None, 0.0, 0, False, "", False
        self.started = self.ready = self.hooked = self.ending = self.cut = False

    def anew(self, *, counts: bool) -> None:
        """Its next incarnation is as good as its first. counts: the end of the last one was a crash of its own."""
        if counts:
            self._count_crash()
        if self.latest is not None:
            self.previous, self.latest = self.latest, None
        self.waiting, self.retry_at, self.failures, self.kill, self.redo = None, 0.0, 0, "", False
        self.started = self.ready = self.hooked = self.ending = self.cut = False

    def _count_crash(self) -> None:
        self.crash_s = 0.0 if self.redo else min(CRASH_MOST_S, self.delay_s * 2 or CRASH_FIRST_S)

    def fails(self, waiting: Waiting, now: float, retry_s: float) -> None:
        """An attempt to start it did not succeed."""
        self.waiting, self.failed_at, self.retry_at = waiting, now, now + retry_s
        self.failures += 1

    def forget_failures(self) -> None:
        """What it failed with does not apply any more, since its definition has changed."""
        self.waiting, self.retry_at, self.failures, self.pulled, self.crash_s = None, 0.0, 0, False, 0.0


@dataclass(slots=True)
class PodState:
    """failure: reason and message with which the node itself ended the pod (deadline, eviction). finished: its sandbox has been
    stopped for good and nothing of it runs any more. rejected: nothing of the pod was made. admitted: the node has taken it.

    started_at: as the status says; active_since: the same moment by the clock that plans go by.
    sandbox_attempt: number of the next sandbox. failed_steps: steps that failed when they were taken last, with their back-off.
    refresh_at: when the volumes are due to be looked at again, 0.0 for never; refresh_wanted: they are due at once.
    grace_s: the most that containers get to end, where the node has decided so. disruption: what the pod's condition DisruptionTarget
    says, "" for none.
    wanted, allocated: resources of the containers, as the spec asks for them and as the node has allotted them. resize_due: whether they
    can be allotted is to be decided; resize_taken: they have been, and that is to be kept; resize_problem: why they could not be;
    resize_retry_at: when to decide again, 0.0 for never.
    resize_since: when it began to wait for room. resize_error: why those that are allotted could not be given, "" for nothing.
    image_problems: image volume -> why its image cannot be had.
    """

    sandbox: Sandbox | None = None
    containers: dict[str, Tracked] = field(default_factory=dict)
    oom: set[str] = field(default_factory=set)
    failure: Waiting | None = None
    rejected: bool = False
    admitted: bool = False
    started_at: float = 0.0
    active_since: float = 0.0
    sandbox_attempt: int = 0
    failed_steps: dict[Step, FailedStep] = field(default_factory=dict)
    volumes_ready: bool = False
    refresh_at: float = 0.0
    refresh_wanted: bool = False
    finished: bool = False
    terminating: bool = False
    grace_s: int | None = None
    disruption: str = ""
    wanted: Allocation = field(default_factory=dict)
    allocated: Allocation = field(default_factory=dict)
    resize_due: bool = False
    resize_taken: bool = False
    resize_problem: Waiting | None = None
    resize_retry_at: float = 0.0
    resize_since: float = math.inf
    resize_error: str = ""
    image_problems: dict[str, Waiting] = field(default_factory=dict)

    def wants(self, wanted: Allocation) -> None:
        """The spec asks for these resources now."""
        if wanted == self.wanted:
            return
        self.wanted, self.resize_problem, self.resize_retry_at, self.resize_error = wanted, None, 0.0, ""
        self.resize_since = math.inf
        self.resize_due = wanted != self.allocated

    def of(self, container: Object) -> Tracked:
        name = container["name"]
        found = self.containers.get(name)
        if found is None:
            found = self.containers[name] = Tracked(name)
        return found

    def step_failed(self, step: Step, now: float) -> float:
        """Notes the failure; returns the pause in seconds before the step is taken again."""
        known = self.failed_steps.get(step)
        failures = 0 if known is None else known.failures
        pause_s: float = min(STEP_MOST_S, STEP_FIRST_S * 2 ** min(failures, 16))
        self.failed_steps[step] = FailedStep(failures + 1, now + pause_s)
        return pause_s

    def keep_failed(self, steps: list[Step]) -> None:
        """Forgets the failures of steps that are not planned any more."""
        if self.failed_steps:
            self.failed_steps = {step: failed for step, failed in self.failed_steps.items() if step in steps}

    def by_id(self, id: str) -> Tracked | None:
        return next((each for each in self.containers.values() if each.latest is not None and each.latest.id == id), None)

    @property
    def has_sandbox(self) -> bool:
        return self.sandbox is not None and self.sandbox.ready

    @property
    def ips(self) -> tuple[str, ...]:
        return () if self.sandbox is None else self.sandbox.ips

    def initialized(self, pod: Object) -> bool:
        """Whether the init containers have done their work in this sandbox; a container that was ever made in it proves it."""
        if any(self._is_of_this_sandbox(self.of(each).latest) for each in podspec.containers(pod)):
            return True
        return all(self._init_done(each) for each in podspec.init_containers(pod))

    def _is_of_this_sandbox(self, container: Container | None) -> bool:
        if container is None:
            return False
        return self.sandbox is None or container.sandbox_id in ("", self.sandbox.id)

    def _init_done(self, container: Object) -> bool:
        tracked = self.of(container)
        if podspec.is_sidecar(container):
            return tracked.running and tracked.started
        return tracked.succeeded


def target_is_missing(pod: Object, container: Object, state: PodState) -> bool:
    """Whether the container is to share the processes of another one that does not run."""
    target = podspec.target(pod, container)
    return bool(target) and not state.of({"name": target}).alive
