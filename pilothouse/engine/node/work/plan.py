"""The next steps of a pod: purely from what is wanted, what there is, and the time.

Called again after every step and every event, so a plan holds only what can be done now; `wake_at` says when the same state will
lead to another plan by itself. It is the only place that decides about time: a step that has failed is left out until its back-off
is over, whatever woke the pod's loop. Source: kubelet/kuberuntime/kuberuntime_manager.go, computePodActions (rewritten as a plan).
"""

from dataclasses import dataclass, field

from pilothouse.engine.node.pod import allocation, podspec
from pilothouse.engine.node.pod.restarts import restart_source, restarts
from pilothouse.engine.node.pod.state import PULL_SHOWN_S, PodState, Tracked, target_is_missing
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
)
from pilothouse.engine.node.runtime.seam import CREATED, UNKNOWN
from pilothouse.engine.node.status.pod import decided_phase
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
    source = restart_source(pod, state)
    if source is not None:
        _restart_all(pod, state, source, now, result)
        return
    _kills(pod, state, result)
    _resizes(pod, state, now, result)
    if not state.volumes_ready:
        result.steps.append(MountVolumes())
        return
    _refresh(state, now, result)
    # First of all, so that they help where an init container fails.
    _ephemerals(pod, state, now, result)
    if _inits(pod, state, now, result):
        _regulars(pod, state, now, result)


def _refresh(state: PodState, now: float, result: Plan) -> None:
    if state.refresh_wanted or (state.refresh_at and now >= state.refresh_at):
        result.steps.append(RefreshVolumes())
    else:
        result.wake(state.refresh_at)


def _past_deadline(pod: Object, state: PodState, now: float, result: Plan) -> bool:
    limit_s = podspec.spec(pod).get("activeDeadlineSeconds")
    if limit_s is None or not state.active_since or state.failure is not None:
        return False
    at = state.active_since + limit_s
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


def _restart_all(pod: Object, state: PodState, source: Tracked, now: float, result: Plan) -> None:
    """First everything that runs ends, without preStop hooks; then all begins anew, when the back-off of the one that ended is over."""
    assert source.latest is not None
    containers = podspec.all_containers(pod)
    others = [state.of(each) for each in containers]
    for container, tracked in zip(containers, others, strict=True):
        if tracked.latest is not None and tracked.alive and not tracked.busy:
            why = f"Container {source.name} has ended, all containers will be restarted"
            again = not podspec.is_ephemeral(pod, container)
            result.steps.append(Kill(tracked.name, tracked.latest.id, why, redo=again, hooks=False))
        elif tracked.latest is not None and tracked.latest.state in (CREATED, UNKNOWN):
            result.steps.append(Discard(tracked.name, tracked.latest.id))
    if any(each.alive or each.busy for each in others) or result.steps:
        return
    if now < source.restart_at:
        result.wake(source.restart_at)
    else:
        result.steps.append(RestartAll(source.latest.id))


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
        elif not state.resize_taken and _is_outgrown(container, tracked) and allocation.restarts(container, tracked.actual or {}):
            why = f"Container {tracked.name} resize requires restart"
            result.steps.append(Kill(tracked.name, tracked.latest.id, why, redo=True))


def _is_outgrown(container: Object, tracked: Tracked) -> bool:
    """Whether it runs with other resources than it has been allotted."""
    return tracked.actual is not None and tracked.actual != (container.get("resources") or {})


def _resizes(pod: Object, state: PodState, now: float, result: Plan) -> None:
    if state.resize_due or state.resize_taken or (state.resize_retry_at and now >= state.resize_retry_at):
        result.steps.append(Allocate())
    else:
        result.wake(state.resize_retry_at)
    if state.resize_taken:
        # Nothing is given to a container before it is kept that it was allotted.
        return
    ended = {step.name for step in result.steps if isinstance(step, Kill)}
    for container in [*podspec.init_containers(pod), *podspec.containers(pod)]:
        tracked = state.of(container)
        if not tracked.alive or tracked.busy or tracked.latest is None or tracked.name in ended:
            continue
        if _is_outgrown(container, tracked):
            result.steps.append(Resize(tracked.name, tracked.latest.id, allocation.said(container)))


def _is_changed(pod: Object, container: Object, tracked: Tracked) -> bool:
    """Whether it runs another image than is wanted. An init container that runs to its end is left alone."""
    if podspec.is_ordinary_init(pod, container):
        return False
    return tracked.image not in ("", container["image"])


def _inits(pod: Object, state: PodState, now: float, result: Plan) -> bool:
    """Steps of init containers; True when the others may run."""
    if state.initialized(pod):
        for container in podspec.init_containers(pod):
            if podspec.is_sidecar(container):
                _advance(pod, container, state.of(container), now, result)
        return True
    for container in podspec.init_containers(pod):
        tracked = state.of(container)
        if podspec.is_sidecar(container):
            _advance(pod, container, tracked, now, result)
            if not (tracked.running and tracked.started):
                return False
        elif not tracked.succeeded:
            _advance(pod, container, tracked, now, result)
            return False
    return True


def _ephemerals(pod: Object, state: PodState, now: float, result: Plan) -> None:
    """Each starts once, whatever becomes of it, as soon as the container runs whose processes it is to see."""
    for container in podspec.ephemeral_containers(pod):
        if not target_is_missing(pod, container, state):
            _advance(pod, container, state.of(container), now, result)


def _regulars(pod: Object, state: PodState, now: float, result: Plan) -> None:
    for container in podspec.containers(pod):
        tracked, before = state.of(container), len(result.steps)
        _advance(pod, container, tracked, now, result)
        starts = len(result.steps) > before and podspec.has_post_start(container)
        if starts or (tracked.alive and not tracked.hooked):
            # Containers start together, but for a postStart hook: it holds back those after it, from its container's start on.
            return


def _advance(pod: Object, container: Object, tracked: Tracked, now: float, result: Plan) -> None:
    """Bring one container towards running."""
    latest = tracked.latest
    if tracked.busy or tracked.alive:
        return
    if latest is not None and latest.state in (CREATED, UNKNOWN):
        result.steps.append(Discard(tracked.name, latest.id))
        return
    if tracked.exited and not restarts(pod, container, tracked):
        return
    ready_at = max(tracked.retry_at, tracked.restart_at)
    if now < ready_at:
        result.wake(ready_at)
        if tracked.waiting is not None and now < tracked.failed_at + PULL_SHOWN_S:
            result.wake(tracked.failed_at + PULL_SHOWN_S)
        return
    result.steps.append(Start(container["name"], tracked.next_attempt))
