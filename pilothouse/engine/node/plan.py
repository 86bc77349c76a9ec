"""The next steps of a pod: purely from what is wanted, what there is, and the time.

Called again after every step and every event, so a plan holds only what can be done now; `wake_at` says when the same state will
lead to another plan by itself. Source: kubelet/kuberuntime/kuberuntime_manager.go, computePodActions (rewritten as a plan).
"""

from dataclasses import dataclass, field

from pilothouse.engine.node import podspec
from pilothouse.engine.node.podstate import PULL_SHOWN_S, PodState, Tracked
from pilothouse.engine.node.runtime import CREATED, UNKNOWN
from pilothouse.engine.node.status import phase
from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class MakeSandbox:
    attempt: int


@dataclass(frozen=True, slots=True)
class DropSandbox:
    """The sandbox has died (its process was killed, the host was restarted): what is left of it goes before another is made."""

    id: str


@dataclass(frozen=True, slots=True)
class MountVolumes:
    """They could not be made beside the sandbox; containers wait for them."""


@dataclass(frozen=True, slots=True)
class Start:
    name: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Discard:
    """A container that was made but never started."""

    name: str
    id: str


@dataclass(frozen=True, slots=True)
class Kill:
    """The container runs but must not: it is ended within the pod's grace, and its restart policy says what follows."""

    name: str
    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Fail:
    """The node ends the pod."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The pod has run to its end: sidecars and sandbox are stopped, logs stay."""


Step = MakeSandbox | DropSandbox | MountVolumes | Start | Discard | Kill | Fail | Finish


@dataclass(slots=True)
class Plan:
    steps: list[Step] = field(default_factory=list)
    wake_at: float = 0.0

    def wake(self, at: float) -> None:
        if at and (not self.wake_at or at < self.wake_at):
            self.wake_at = at


def plan(pod: Object, state: PodState, now: float) -> Plan:
    """What to do now for a pod that is not being deleted."""
    result = Plan()
    if state.finished:
        return result
    if _past_deadline(pod, state, now, result):
        return result
    if phase(pod, state) in ("Succeeded", "Failed"):
        result.steps.append(Finish())
        return result
    if not state.has_sandbox:
        _sandbox(state, now, result)
        return result
    _kills(pod, state, result)
    if not state.volumes_ready:
        if now < state.volumes_retry_at:
            result.wake(state.volumes_retry_at)
        else:
            result.steps.append(MountVolumes())
        return result
    if _inits(pod, state, now, result):
        _regulars(pod, state, now, result)
    return result


def _past_deadline(pod: Object, state: PodState, now: float, result: Plan) -> bool:
    limit_s = podspec.spec(pod).get("activeDeadlineSeconds")
    if limit_s is None or not state.started_at or state.failure is not None:
        return False
    at = state.started_at + limit_s
    if now < at:
        result.wake(at)
        return False
    result.steps.append(Fail("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"))
    return True


def _sandbox(state: PodState, now: float, result: Plan) -> None:
    if state.sandbox is not None and not state.sandbox.ready:
        result.steps.append(DropSandbox(state.sandbox.id))
        return
    if now < state.sandbox_retry_at:
        result.wake(state.sandbox_retry_at)
        return
    result.steps.append(MakeSandbox(0 if state.sandbox is None else state.sandbox.attempt + 1))


def _kills(pod: Object, state: PodState, result: Plan) -> None:
    for container in podspec.all_containers(pod):
        tracked = state.of(container)
        if tracked.kill and tracked.alive and not tracked.busy and tracked.latest is not None:
            result.steps.append(Kill(tracked.name, tracked.latest.id, tracked.kill))


def _inits(pod: Object, state: PodState, now: float, result: Plan) -> bool:
    """Steps of init containers; True when the others may run."""
    if state.initialized(pod):
        for container in podspec.init_containers(pod):
            if podspec.is_sidecar(container):
                _advance(container, "Always", state.of(container), now, result)
        return True
    for container in podspec.init_containers(pod):
        tracked = state.of(container)
        if podspec.is_sidecar(container):
            _advance(container, "Always", tracked, now, result)
            if not (tracked.running and tracked.started):
                return False
        elif not tracked.succeeded:
            # An init container that succeeds is done, so Always means OnFailure here.
            policy = "Never" if podspec.restart_policy(pod) == "Never" else "OnFailure"
            _advance(container, policy, tracked, now, result)
            return False
    return True


def _regulars(pod: Object, state: PodState, now: float, result: Plan) -> None:
    for container in podspec.containers(pod):
        tracked = state.of(container)
        _advance(container, podspec.restart_policy(pod), tracked, now, result)
        if tracked.alive and not tracked.hooked:
            # Containers start in their order: a postStart hook holds back those after it.
            return


def _advance(container: Object, policy: str, tracked: Tracked, now: float, result: Plan) -> None:
    """Bring one container towards running."""
    latest = tracked.latest
    if tracked.busy or tracked.alive:
        return
    if latest is not None and latest.state in (CREATED, UNKNOWN):
        result.steps.append(Discard(tracked.name, latest.id))
        return
    if tracked.exited and not restarts(policy, tracked):
        return
    ready_at = max(tracked.retry_at, tracked.restart_at)
    if now < ready_at:
        result.wake(ready_at)
        if tracked.waiting is not None and now < tracked.failed_at + PULL_SHOWN_S:
            result.wake(tracked.failed_at + PULL_SHOWN_S)
        return
    result.steps.append(Start(container["name"], tracked.next_attempt))


def restarts(policy: str, tracked: Tracked) -> bool:
    """Whether a container that has ended is to be started again."""
    return policy == "Always" or (policy == "OnFailure" and not tracked.succeeded)
