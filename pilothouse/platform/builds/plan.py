"""The next step of a build, from the Build and its pod alone (pure).

no pod            -> create it (or record that the build was cancelled)
source fetched    -> the base images its Dockerfile names must be there: Prepare
pod ended         -> Finish with what the containers left as their termination messages
time is over      -> Finish, whatever the pod does: the builder stops its steps itself, this is for a pod that does not
"""

from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.builds import outcome
from pilothouse.platform.builds.outcome import Outcome

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


Step = Create | Prepare | Finish | Wait


def next_step(build: Object, pod: Object | None, *, prepared: bool, now: float, timeout_s: float) -> Step | None:
    """None for a build that has ended.

    prepared: its base images are known to be there. now: seconds of the epoch. timeout_s: for its steps, where it names no limit.
    """
    status = build.get("status") or {}
    if status.get("phase") in DONE:
        return None
    if build["spec"].get("cancelled"):
        return Finish("Cancelled", Outcome("Cancelled", "cancelled by request"))
    if pod is None:
        if status.get("phase") == "Running":
            return _failed("PodLost", "the build's pod was deleted while it ran")
        return Create()
    step = _from_pod(pod, prepared)
    return _over(build, timeout_s) if isinstance(step, Wait | Prepare) and seconds_left(build, now, timeout_s) <= 0 else step


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
