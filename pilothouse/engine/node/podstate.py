"""What the agent knows about one pod beside its object: sandbox, containers, and why something that should run does not.

Rebuilt from the runtime when the agent starts; what cannot be rebuilt (back-offs, probe results) starts afresh.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.engine.node import podspec
from pilothouse.engine.node.runtime import EXITED, RUNNING, Container, Sandbox
from pilothouse.model.json import Object

CRASH_FIRST_S, CRASH_MOST_S, CRASH_RESET_S = 10.0, 300.0, 600.0
PULL_SHOWN_S = 1.0


class Waiting(NamedTuple):
    reason: str
    message: str = ""


@dataclass(slots=True)
class Tracked:
    """One container of the pod. latest: its newest incarnation in this sandbox; previous: the one that ended before it.

    waiting: why the last attempt to start it failed; retry_at: no other attempt before that time.
    crash_s: delay before its next restart counted from its end. busy: something is under way in the background (pull, kill).
    hooked: its postStart hook has ended. started, ready: as probes say. kill: why it is to be killed and restarted; "" for not.
    """

    name: str
    latest: Container | None = None
    previous: Container | None = None
    waiting: Waiting | None = None
    failed_at: float = 0.0
    retry_at: float = 0.0
    failures: int = 0
    crash_s: float = 0.0
    busy: bool = False
    pulled: bool = False
    hooked: bool = False
    started: bool = False
    ready: bool = False
    kill: str = ""

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
        return self.latest is not None and self.latest.state == EXITED and self.latest.exit_code == 0

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
        if self.latest is None or (self.latest.started_at and self.latest.finished_at - self.latest.started_at >= CRASH_RESET_S):
            return 0.0
        return self.crash_s

    @property
    def restart_at(self) -> float:
        if self.latest is None or not self.delay_s:
            return 0.0
        return (self.latest.finished_at or self.latest.created_at) + self.delay_s

    def begins(self, container: Container) -> None:
        """A new incarnation runs."""
        if self.exited:
            self._count_crash()
            self.previous = self.latest
        self.latest = container
        self.waiting, self.retry_at, self.failures, self.pulled, self.kill = None, 0.0, 0, False, ""
        self.started = self.ready = self.hooked = False

    def _count_crash(self) -> None:
        self.crash_s = min(CRASH_MOST_S, self.delay_s * 2 or CRASH_FIRST_S)

    def fails(self, waiting: Waiting, now: float, retry_s: float) -> None:
        """An attempt to start it did not succeed."""
        self.waiting, self.failed_at, self.retry_at = waiting, now, now + retry_s
        self.failures += 1


@dataclass(slots=True)
class PodState:
    """failure: reason and message with which the node itself ended the pod (deadline, eviction). finished: its sandbox has been
    stopped for good and nothing of it runs any more."""

    sandbox: Sandbox | None = None
    containers: dict[str, Tracked] = field(default_factory=dict)
    oom: set[str] = field(default_factory=set)
    failure: Waiting | None = None
    started_at: float = 0.0
    sandbox_retry_at: float = 0.0
    sandbox_failures: int = 0
    volumes_ready: bool = False
    volumes_retry_at: float = 0.0
    volume_failures: int = 0
    finished: bool = False
    terminating: bool = False

    def of(self, container: Object) -> Tracked:
        name = container["name"]
        found = self.containers.get(name)
        if found is None:
            found = self.containers[name] = Tracked(name)
        return found

    def by_id(self, id: str) -> Tracked | None:
        return next((each for each in self.containers.values() if each.latest is not None and each.latest.id == id), None)

    @property
    def has_sandbox(self) -> bool:
        return self.sandbox is not None and self.sandbox.ready

    @property
    def ips(self) -> tuple[str, ...]:
        return () if self.sandbox is None else self.sandbox.ips

    def initialized(self, pod: Object) -> bool:
        """Whether the init containers have done their work in this sandbox; a container that was ever made proves it."""
        if any(self.of(each).latest is not None for each in podspec.containers(pod)):
            return True
        return all(self._init_done(each) for each in podspec.init_containers(pod))

    def _init_done(self, container: Object) -> bool:
        tracked = self.of(container)
        if podspec.is_sidecar(container):
            return tracked.running and tracked.started
        return tracked.succeeded
