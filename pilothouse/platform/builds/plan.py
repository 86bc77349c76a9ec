"""The next step of a build, from the Build and its pod alone (pure).

no pod            -> create it (or record that the build was cancelled)
source fetched    -> the base images its Dockerfile names must be there: Prepare
pod ended         -> Finish with what the containers left as their termination messages
"""

from dataclasses import dataclass

from pilothouse.model.json import Object
from pilothouse.platform.builds.dockerfile import base_images

DONE = frozenset({"Succeeded", "Failed", "Cancelled"})


@dataclass(frozen=True, slots=True)
class Create:
    """Make the build's pod."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """The base images that the build is waiting for."""

    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """phase, reason and message of a build that has ended; explain: the message is in the build container's log."""

    phase: str
    reason: str = ""
    message: str = ""
    digest: str = ""
    dockerfile: str = ""
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until the pod changes. running: its containers have started."""

    running: bool


Step = Create | Prepare | Finish | Wait


def next_step(build: Object, pod: Object | None, *, prepared: bool) -> Step | None:
    """None for a build that has ended. prepared: its base images are known to be there."""
    status = build.get("status") or {}
    if status.get("phase") in DONE:
        return None
    if build["spec"].get("cancelled"):
        return Finish("Cancelled", "Cancelled", "cancelled by request")
    if pod is None:
        if status.get("phase") == "Running":
            return Finish("Failed", "PodLost", "the build's pod was deleted while it ran")
        return Create()
    return _from_pod(build, pod, prepared)


def _from_pod(build: Object, pod: Object, prepared: bool) -> Step:
    status = pod.get("status") or {}
    source, container = _terminated(status, "initContainerStatuses"), _terminated(status, "containerStatuses")
    dockerfile = source.get("message", "") if source else ""
    if source and source.get("exitCode") != 0:
        return Finish("Failed", "SourceFailed", dockerfile or "the source could not be fetched")
    if container and container.get("exitCode") == 0:
        return Finish("Succeeded", digest=container.get("message", "").strip(), dockerfile=dockerfile)
    if container:
        return Finish("Failed", "BuildFailed", dockerfile=dockerfile, explain=True)
    if status.get("phase") == "Failed":
        return Finish("Failed", status.get("reason") or "PodFailed", status.get("message") or "the build's pod failed")
    if source and not prepared:
        return Prepare(tuple(base_images(dockerfile, build["spec"].get("args", {}))))
    return Wait(running=status.get("phase") == "Running" or bool(_running(status)))


def _terminated(status: Object, which: str) -> Object | None:
    for container in status.get(which) or ():
        found: Object | None = (container.get("state") or {}).get("terminated")
        return found
    return None


def _running(status: Object) -> bool:
    return any("running" in (container.get("state") or {}) for container in status.get("initContainerStatuses") or ())
