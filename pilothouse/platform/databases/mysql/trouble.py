"""Why members do not run, from what the cluster says of their pods, claims and StatefulSet (pure)."""

from collections.abc import Iterable, Iterator, Mapping

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import names
from pilothouse.platform.databases.mysql.objects import needs

PULLS = frozenset(["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"])
CREATION = frozenset(["CreateContainerConfigError", "CreateContainerError", "RunContainerError"])
EVENTS = "type=Warning,involvedObject.kind!=Pod"
"""Field selector of the Events that are looked at."""
PULLING = "reason=Pulling,involvedObject.kind=Pod"
"""Field selector of those that tell that a node has begun to pull an image."""
MOST_EVENTS = 200
Trouble = tuple[str, str]
"""Reason and sentence."""


def of_pod(pod: Object) -> Trouble | None:
    name, status = meta.name(pod), pod.get("status") or {}
    placed = meta.condition(pod, "PodScheduled") or {}
    if placed.get("status") == "False":
        return "Unschedulable", f"{name} has no node: {placed.get('message') or placed.get('reason')}"
    for container in status.get("containerStatuses") or ():
        if lacks := _lacks(container):
            return "ImageLacks", f"{name} cannot run: {lacks}; docs/reference/images.md says what a server's image must hold"
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        if reason in PULLS:
            return "ImagePull", f"{name} cannot have its image {container.get('image')}: {message or reason}"
        if reason in CREATION:
            return "ContainerFails", f"{name} cannot start {container['name']}: {message or reason}"
        if reason == "CrashLoopBackOff":
            return "CrashLoop", f"{container['name']} of {name} ends again and again: {_ended(container) or message}"
    return None


def _lacks(container: Object) -> str:
    """What the agent has found its image to lack, in its own words."""
    states = ((container.get(each) or {}).get("terminated") or {} for each in ("state", "lastState"))
    return next((str(each.get("message") or "").strip() for each in states if each.get("exitCode") == needs.LACKS), "")


def _ended(container: Object) -> str:
    ended = (container.get("lastState") or {}).get("terminated") or {}
    if not ended:
        return ""
    return "it needs more memory than its limit" if ended.get("reason") == "OOMKilled" else f"exit code {ended.get('exitCode')}"


def of_events(instance: Object, events: Iterable[Object], missing: Iterable[str]) -> Iterator[Trouble]:
    """events: warnings of the namespace. missing: members without a pod, or whose pod has no node."""
    lacking = set(missing)
    claims = {names.claim(name) for name in lacking}
    latest: dict[tuple[str, str], Object] = {}
    for event in sorted(events, key=lambda each: str(each.get("lastTimestamp") or "")):
        about = event.get("involvedObject") or {}
        latest[(about.get("kind", ""), about.get("name", ""))] = event
    for (kind, name), event in latest.items():
        message = event.get("message", "")
        if kind == "PersistentVolumeClaim" and name in claims:
            yield "NoVolume", f"volume {name} cannot be had: {message}"
        if (kind, name) == ("StatefulSet", meta.name(instance)) and event.get("reason") == "FailedCreate" and lacking:
            yield ("QuotaExceeded" if "exceeded quota" in message else "PodsRefused"), message


def is_new(pod: Object) -> bool:
    """Whether its node has taken it on and has not made its containers yet."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return any(((each.get("state") or {}).get("waiting") or {}).get("reason") == "ContainerCreating" for each in statuses)


def of_pulls(found: Mapping[str, Object], events: Iterable[Object]) -> Iterator[Trouble]:
    """found: pods that are new. events: see `PULLING`."""
    pulled = {(event.get("involvedObject") or {}).get("uid") for event in events}
    waiting = [name for name, pod in found.items() if meta.uid(pod) in pulled]
    if waiting:
        image = found[waiting[0]]["spec"]["containers"][0]["image"]
        yield (
            "PullingImage",
            f"{' and '.join(waiting)} {'waits' if len(waiting) == 1 else 'wait'} for the image {image}, which is being pulled",
        )


def of_pods(found: Mapping[str, Object]) -> dict[str, Trouble]:
    """By member; those that are well are left out."""
    troubles = {name: of_pod(pod) for name, pod in found.items()}
    return {name: trouble for name, trouble in troubles.items() if trouble is not None}
