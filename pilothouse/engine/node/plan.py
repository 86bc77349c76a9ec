"""The next steps of a pod: purely from what is wanted, what there is, and the time.

Called again after every step and every event, so a plan holds only what can be done now; `wake_at` says when the same state will
lead to another plan by itself. It is the only place that decides about time: a step that has failed is left out until its back-off
is over, whatever woke the pod's loop. Source: kubelet/kuberuntime/kuberuntime_manager.go, computePodActions (rewritten as a plan).
"""

from dataclasses import dataclass, field

from pilothouse.engine.node import podspec
from pilothouse.engine.node.podstate import PULL_SHOWN_S, PodState, Tracked, restarts
from pilothouse.engine.node.runtime import CREATED, UNKNOWN
from pilothouse.engine.node.status import decided_phase
from pilothouse.engine.node.steps import (
    Discard,
    DropSandbox,
    Fail,
    Finish,
    Kill,
    MakeSandbox,
    MountVolumes,
    RefreshVolumes,
    Start,
    Step,
)
from pilothouse.model.json import Object


@dataclass(slots=True)
class Plan:
    """held: steps that are due but wait for the back-off of their last failure. wake_at: 0.0 for never."""

    steps: list[Step] = field(default_factory=list)
    held: list[Step] = field(default_factory=list)
    wake_at: float = 0.0

    def wake(self, at: float) -> None:
        if at and (not self.wake_at or at < self.wake_at):
            self.wake_at = at


def plan(pod: Object, state: PodState, now: float) -> Plan:
    """What to do now for a pod that is not being deleted."""
    result = Plan()
    if not state.finished and not _past_deadline(pod, state, now, result):
        _wanted(pod, state, now, result)
    return _without_failed(result, state, now)


def _without_failed(result: Plan, state: PodState, now: float) -> Plan:
    for step in list(result.steps):
        failed = state.failed_steps.get(step)
        if failed is not None and now < failed.retry_at:
            result.steps.remove(step)
            result.held.append(step)
            result.wake(failed.retry_at)
    return result


def _wanted(pod: Object, state: PodState, now: float, result: Plan) -> None:
    if decided_phase(pod, state) in ("Succeeded", "Failed"):
        result.steps.append(Finish())
        return
    if not state.has_sandbox:
        _sandbox(state, result)
        return
    _kills(pod, state, result)
    if not state.volumes_ready:
        result.steps.append(MountVolumes())
        return
    _refresh(state, now, result)
    if _inits(pod, state, now, result):
        _regulars(pod, state, now, result)


def _refresh(state: PodState, now: float, result: Plan) -> None:
    if state.refresh_wanted or (state.refresh_at and now >= state.refresh_at):
        result.steps.append(RefreshVolumes())
    else:
        result.wake(state.refresh_at)


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


def _sandbox(state: PodState, result: Plan) -> None:
    if state.sandbox is not None:
        result.steps.append(DropSandbox(state.sandbox.id))
    else:
        result.steps.append(MakeSandbox(state.sandbox_attempt))


def _kills(pod: Object, state: PodState, result: Plan) -> None:
    for container in podspec.all_containers(pod):
        tracked = state.of(container)
        if not tracked.alive or tracked.busy or tracked.latest is None:
            continue
        if tracked.kill:
            result.steps.append(Kill(tracked.name, tracked.latest.id, tracked.kill))
        elif _is_changed(pod, container, tracked):
            why = f"Container {tracked.name} definition changed, will be restarted"
            result.steps.append(Kill(tracked.name, tracked.latest.id, why, redo=True))


def _is_changed(pod: Object, container: Object, tracked: Tracked) -> bool:
    """Whether it runs another image than is wanted. An init container that runs to its end is left alone."""
    if container in podspec.init_containers(pod) and not podspec.is_sidecar(container):
        return False
    return tracked.image not in ("", container["image"])


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
