"""Taking over: what an earlier agent has left running, and which changes of an object are news. Pure."""

from dataclasses import replace

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.allocation import made_with
from pilothouse.engine.node.pod.restarts import restarts
from pilothouse.engine.node.pod.state import PodState, Tracked, Waiting, crash_pause_s
from pilothouse.engine.node.runtime.seam import EXITED, RESTARTS, Container, Sandbox
from pilothouse.model import meta
from pilothouse.model.json import Object

RUNTIME = "containerd://"
KILLED, LOST = 137, "ContainerStatusUnknown"
GONE = "gone"
"""Instead of the id of a sandbox that nobody knows any more: not the one that the pod has now."""


def matters(old: Object, new: Object) -> bool:
    """Whether a change of the object may change what is to be done; our own status coming back does not."""
    before, after = old["metadata"], new["metadata"]
    if any(
        before.get(key) != after.get(key)
        for key in ("generation", "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations")
    ):
        return True
    return bool(podspec.spec(new).get("readinessGates"))


def adopt(pod: Object, state: PodState, sandboxes: list[Sandbox], containers: list[Container], now: float = 0.0) -> None:
    """What an earlier agent has left running becomes ours as it is; what the runtime has lost is remembered from the pod's status."""
    for box in sorted(sandboxes, key=lambda each: (each.ready, each.attempt)):
        state.sandbox = box
    known = {status["name"]: status for status in _statuses(pod)}
    if state.sandbox is not None:
        state.admitted = True
        state.sandbox_attempt = state.sandbox.attempt + 1
        _take_over(pod, state, state.sandbox, containers, known)
    for container in podspec.all_containers(pod):
        tracked = state.of(container)
        lost = tracked.latest is None and tracked.previous is None and remembered(known.get(tracked.name) or {}, now)
        if lost:
            # The count of restarts goes on; an ephemeral container does not start twice.
            tracked.previous = lost
            if container in podspec.containers(pod) and "terminated" in (known[tracked.name].get("state") or {}):
                _stay_ended(pod, container, tracked, lost)
        if podspec.is_ephemeral(pod, container) and tracked.latest is None:
            tracked.previous, tracked.latest = None, tracked.previous


def _stay_ended(pod: Object, container: Object, tracked: Tracked, lost: Container) -> None:
    """What has ended for good stays so although its record went with its sandbox; the API server would not show it otherwise."""
    tracked.previous, tracked.latest = None, replace(lost, sandbox_id=GONE)
    if restarts(pod, container, tracked):
        tracked.previous, tracked.latest = lost, None


def _take_over(pod: Object, state: PodState, box: Sandbox, containers: list[Container], known: dict[str, Object]) -> None:
    for found in sorted(containers, key=lambda each: each.attempt):
        tracked = state.containers.setdefault(found.name, Tracked(found.name))
        tracked.previous, tracked.latest, tracked.actual = tracked.latest, found, made_with(found)
        tracked.crash_s = crash_pause_s(found.restarts)
        if found.sandbox_id not in ("", box.id):
            tracked.previous, tracked.latest = found, None
    for tracked in state.containers.values():
        status = known.get(tracked.name) or {}
        same = tracked.latest is not None and status.get("containerID") == f"{RUNTIME}{tracked.latest.id}"
        if tracked.alive:
            # A hook whose end nobody has written down may have been cut short: it runs again, as a hook has to bear.
            tracked.hooked = not _has_post_start(pod, tracked.name) or (same and "running" in (status.get("state") or {}))
            tracked.started, tracked.ready = same and bool(status.get("started")), same and bool(status.get("ready"))


def remembered(status: Object, now: float) -> Container | None:
    """The newest incarnation that a container's status in the API tells of, as one that has ended; None when it tells of none."""
    state, last = status.get("state") or {}, status.get("lastState") or {}
    ended = state.get("terminated") or ("waiting" in state and last.get("terminated")) or {}
    id = (ended.get("containerID") or status.get("containerID") or "").removeprefix(RUNTIME)
    if not id or not (ended or "running" in state):
        # One that was made and never ran, if any.
        return None
    restarts = int(status.get("restartCount") or 0)
    return Container(
        id, "", "", status["name"], restarts, EXITED, _time(ended, "startedAt") or now, status.get("image") or "",
        status.get("imageID") or "", started_at=_time(ended, "startedAt"), finished_at=_time(ended, "finishedAt") or now,
        exit_code=ended.get("exitCode", KILLED), reason=ended.get("reason") or LOST, message=ended.get("message") or "",
        annotations={RESTARTS: str(restarts)},
    )  # fmt: skip


def _time(state: Object, name: str) -> float:
    return meta.parse_rfc3339(state[name]) if state.get(name) else 0.0


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [shown for kind in podspec.STATUSES for shown in status.get(kind) or ()]


def _has_post_start(pod: Object, name: str) -> bool:
    container = podspec.container_named(pod, name)
    return container is not None and podspec.has_post_start(container)


def spent_grace_s(pod: Object, stamp: float) -> float:
    """How much of its grace a pod has spent by now, when it was being deleted before it was taken over. stamp: the time of day."""
    if not podspec.deleting(pod):
        return 0.0
    # The API server has put the end of the grace there.
    return max(0.0, stamp - (meta.parse_rfc3339(pod["metadata"]["deletionTimestamp"]) - podspec.grace_s(pod)))


def lose_sandbox(pod: Object, state: PodState, now: float) -> bool:
    """The containers' state after everything in their sandbox has died. True: they are to run again in another one.

    Attempts and restart counts go on. What has succeeded for good stays so, and what was added to look into the pod is over; a pod that
    never restarts has ended with its sandbox.
    """
    for tracked in state.containers.values():
        tracked.redo = False
        if tracked.latest is not None and tracked.latest.state != EXITED:
            tracked.latest = replace(tracked.latest, state=EXITED, exit_code=KILLED, reason=LOST, finished_at=now)
    main = [state.of(each) for each in podspec.containers(pod)]
    started = [(each, state.of(each)) for each in podspec.containers(pod) if state.of(each).latest is not None]
    stay = [tracked for each, tracked in started if not restarts(pod, each, tracked)]
    if podspec.restart_policy(pod) == "Never" and started and len(stay) == len(started):
        if any(each.latest is None for each in main):
            state.failure = Waiting("SandboxLost", "The pod's sandbox ended before all of its containers had been started")
        return False
    passing = [state.of(each) for each in podspec.ephemeral_containers(pod)]
    for tracked in state.containers.values():
        if tracked.latest is not None and tracked not in passing and tracked not in stay:
            tracked.previous, tracked.latest, tracked.cut = tracked.latest, None, False
    return True
