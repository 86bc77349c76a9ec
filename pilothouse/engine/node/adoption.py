"""Taking over: what an earlier agent has left running, and which changes of an object are news. Pure."""

from dataclasses import replace

from pilothouse.engine.node import podspec
from pilothouse.engine.node.podstate import CRASH_FIRST_S, CRASH_MOST_S, PodState, Tracked, Waiting
from pilothouse.engine.node.runtime import EXITED, Container, Sandbox
from pilothouse.model.json import Object


def matters(old: Object, new: Object) -> bool:
    """Whether a change of the object may change what is to be done; our own status coming back does not."""
    before, after = old["metadata"], new["metadata"]
    if any(
        before.get(key) != after.get(key)
        for key in ("generation", "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations")
    ):
        return True
    return bool(podspec.spec(new).get("readinessGates"))


def adopt(pod: Object, state: PodState, sandboxes: list[Sandbox], containers: list[Container]) -> None:
    """What an earlier agent has left running becomes ours as it is."""
    for box in sorted(sandboxes, key=lambda each: (each.ready, each.attempt)):
        state.sandbox = box
    if state.sandbox is None:
        return
    state.sandbox_attempt = state.sandbox.attempt + 1
    known = {status["name"]: status for status in _statuses(pod)}
    for found in sorted(containers, key=lambda each: each.attempt):
        tracked = state.containers.setdefault(found.name, Tracked(found.name))
        tracked.previous, tracked.latest = tracked.latest, found
        tracked.crash_s = min(CRASH_MOST_S, CRASH_FIRST_S * 2 ** (found.restarts - 1)) if found.restarts else 0.0
        if found.sandbox_id not in ("", state.sandbox.id):
            tracked.previous, tracked.latest = found, None
    for tracked in state.containers.values():
        status = known.get(tracked.name) or {}
        same = tracked.latest is not None and status.get("containerID") == f"containerd://{tracked.latest.id}"
        if tracked.alive:
            # A hook whose end nobody has written down may have been cut short: it runs again, as a hook has to bear.
            tracked.hooked = not _has_post_start(pod, tracked.name) or (same and "running" in (status.get("state") or {}))
            tracked.started, tracked.ready = same and bool(status.get("started")), same and bool(status.get("ready"))


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _has_post_start(pod: Object, name: str) -> bool:
    container = podspec.container_named(pod, name)
    return container is not None and bool((container.get("lifecycle") or {}).get("postStart"))


def lose_sandbox(pod: Object, state: PodState, now: float) -> bool:
    """The containers' state after everything in their sandbox has died. True: they are to run again in another one.

    Attempts and restart counts go on. What has succeeded for good stays so; a pod that never restarts has ended with its sandbox.
    """
    for tracked in state.containers.values():
        tracked.redo = False
        if tracked.latest is not None and tracked.latest.state != EXITED:
            tracked.latest = replace(tracked.latest, state=EXITED, exit_code=137, reason="ContainerStatusUnknown", finished_at=now)
    main = [state.of(each) for each in podspec.containers(pod)]
    policy = podspec.restart_policy(pod)
    if policy == "Never" and any(each.latest is not None for each in main):
        if any(each.latest is None for each in main):
            state.failure = Waiting("SandboxLost", "The pod's sandbox ended before all of its containers had been started")
        return False
    for tracked in state.containers.values():
        if tracked.latest is not None and not (policy == "OnFailure" and tracked in main and tracked.succeeded):
            tracked.previous, tracked.latest = tracked.latest, None
    return True
