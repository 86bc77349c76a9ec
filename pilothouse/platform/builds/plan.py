"""The next step of a build, from the Build and its pod alone (pure).

no pod            -> create it (or record that the build was cancelled)
source fetched    -> the base images its Dockerfile names must be there: Prepare
pod ended         -> Finish with what the containers left as their termination messages
pod taken away    -> Again, with its node, by a drain or by hand; then Discard what is left of it, and Create. Finish after MOST of them
time is over      -> Finish, whatever the pod does: the builder stops its steps itself, this is for a pod that does not
"""

from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.builds import outcome
from pilothouse.platform.builds.outcome import Outcome

ATTEMPT = "builds.pilothouse.dev/attempt"
"""Label of a build's pod: how often the build had been interrupted when it was made."""
MOST = 3
"""Interruptions after which a build goes on; it then has failed."""
DONE = frozenset({"Succeeded", "Failed", "Cancelled"})
SLACK_S = 1500.0
"""What fetching the source and making base images may take besides the steps."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make the build's pod."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """The base images that the build is waiting for."""

    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """How a build has ended. phase: one of DONE; outcome: the rest of its status."""

    phase: str
    outcome: Outcome = field(default_factory=Outcome)


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until the pod changes. running: its containers have started."""

    running: bool


@dataclass(frozen=True, slots=True)
class Again:
    """The build begins anew. interruptions: how many there have been, this one included; why: of this one, without a full stop."""

    interruptions: int
    why: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Remove the pod of an earlier attempt. by_force: at once, since its node does not answer."""

    by_force: bool


Step = Create | Prepare | Finish | Wait | Again | Discard


def next_step(
    build: Object, pod: Object | None, *, prepared: bool, now: float, timeout_s: float, is_node_away: bool = False
) -> Step | None:
    """None for a build that has ended.

    prepared: its base images are known to be there. now: seconds of the epoch. timeout_s: for its steps, where it names no limit.
    is_node_away: whether the node of a pod that is being deleted does not answer, or is gone.
    """
    status = build.get("status") or {}
    if status.get("phase") in DONE:
        return None
    if build["spec"].get("cancelled"):
        return Finish("Cancelled", Outcome("Cancelled", "cancelled by request"))
    before = interruptions(build)
    if pod is None:
        return _interrupted(before, "its pod was deleted while it ran") if status.get("phase") == "Running" else Create()
    if attempt(pod) < before:
        return Wait(running=False) if meta.is_deleting(pod) and not is_node_away else Discard(is_node_away)
    step = _from_pod(pod, prepared)
    if isinstance(step, Prepare | Wait) or not _has_spoken(pod):
        why = _taken(pod, is_node_away)
        step = _interrupted(attempt(pod), why) if why else step
    return _over(build, timeout_s) if isinstance(step, Wait | Prepare) and seconds_left(build, now, timeout_s) <= 0 else step


def interruptions(build: Object) -> int:
    found: int = (build.get("status") or {}).get("interruptions") or 0
    return found


def attempt(pod: Object) -> int:
    text = meta.labels(pod).get(ATTEMPT, "")
    return int(text) if text.isdecimal() else 0


def _interrupted(before: int, why: str) -> Step:
    if before < MOST:
        return Again(before + 1, why)
    return _failed("PodLost", f"the build was interrupted {before + 1} times, the last time because {why}")


def _taken(pod: Object, is_node_away: bool) -> str:
    """Why the build cannot end in this pod; "" when it may. Containers that are still being ended may yet say how the build did."""
    node, status = (pod.get("spec") or {}).get("nodeName", ""), pod.get("status") or {}
    where = f"its pod on node {node}" if node else "its pod"
    target = meta.condition(pod, "DisruptionTarget") or {}
    if target.get("status") == "True" and _is_over(status):
        return f"{where} was ended: {(target.get('message') or target.get('reason') or 'no reason given').rstrip('. ')}"
    if meta.is_deleting(pod) and is_node_away:
        return f"node {node}, on which it ran, does not answer"
    if meta.is_deleting(pod) and _is_over(status):
        return f"{where} was deleted while it ran"
    if any(_is_forgotten(container) for container in _all_terminated(status)):
        return f"{where} ended with its node"
    return ""


def _has_spoken(pod: Object) -> bool:
    """Whether the builder has said how it ended, or why there is no source."""
    status = pod.get("status") or {}
    source, container = _terminated(status, "initContainerStatuses"), _terminated(status, "containerStatuses")
    if container is not None:
        return outcome.read(container.get("message", "")) is not None
    return source is not None and source.get("exitCode") != 0 and bool(source.get("message")) and not _is_forgotten(source)


def _is_over(status: Object) -> bool:
    """Whether none of a pod's containers runs."""
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return status.get("phase") in ("Succeeded", "Failed") or not any("running" in (each.get("state") or {}) for each in containers)


def _is_forgotten(container: Object) -> bool:
    """The runtime does not know how it ended: the machine, or all of the runtime, was gone meanwhile."""
    return container.get("reason") in ("ContainerStatusUnknown", "Unknown")


def _all_terminated(status: Object) -> list[Object]:
    found = (_terminated(status, which) for which in ("initContainerStatuses", "containerStatuses"))
    return [each for each in found if each is not None]


def seconds_left(build: Object, now: float, timeout_s: float) -> float:
    """Until a build that does not end by itself is given up."""
    started = (build.get("status") or {}).get("startedAt") or build["metadata"].get("creationTimestamp")
    limit = float(build["spec"].get("timeoutSeconds") or timeout_s) + SLACK_S
    return limit - (now - meta.parse_rfc3339(started)) if started else limit


def _over(build: Object, timeout_s: float) -> Finish:
    limit = build["spec"].get("timeoutSeconds") or timeout_s
    return _failed("TimedOut", f"the build did not end within its time limit of {limit:g} s and what the source and base images may take")


def _failed(reason: str, message: str) -> Finish:
    return Finish("Failed", Outcome(reason, message))


def _from_pod(pod: Object, prepared: bool) -> Step:
    status = pod.get("status") or {}
    source, container = _terminated(status, "initContainerStatuses"), _terminated(status, "containerStatuses")
    if source and source.get("exitCode") != 0:
        return _failed("SourceFailed", source.get("message") or "the source could not be fetched")
    if container:
        return _ended(container)
    if status.get("phase") == "Failed":
        return _failed(status.get("reason") or "PodFailed", status.get("message") or "the build's pod failed")
    if source and not prepared:
        found = outcome.read_prepared(source.get("message", ""))
        # A node that has just started may report a container's end before its message: no images are not the same as none known.
        return Prepare(found.bases) if found else Wait(running=True)
    return Wait(running=status.get("phase") == "Running" or bool(_running(status)))


def _ended(container: Object) -> Finish:
    """The builder's own words; when it left none, what ended it."""
    found = outcome.read(container.get("message", ""))
    if found is not None:
        return Finish("Failed" if found.reason else "Succeeded", found)
    if container.get("reason") == "OOMKilled" or container.get("exitCode") == 137:
        return _failed("BuildFailed", "the builder was killed: the memory ran out, or the node stopped it")
    return _failed("BuildFailed", f"the builder ended with exit status {container.get('exitCode')} and left no reason")


def _terminated(status: Object, which: str) -> Object | None:
    for container in status.get(which) or ():
        found: Object | None = (container.get("state") or {}).get("terminated")
        return found
    return None


def _running(status: Object) -> bool:
    return any("running" in (container.get("state") or {}) for container in status.get("initContainerStatuses") or ())
