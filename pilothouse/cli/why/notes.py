"""What was said about objects, in one shape: decisions of the instance's own log, and Events where there is no log."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pilothouse.decisions.table import Decision
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.policy_refusals import REASONS

ROUTINE = frozenset(
    {"Scheduled", "Pulling", "Pulled", "Created", "Started", "Killing", "SuccessfulCreate", "SuccessfulDelete", "ScalingReplicaSet"}
    | {
        "Preparing",
        "Prepared",
        "Serving",
        "Running",
        "Building",
        "Releasing",
        *("Applied", "Bound", "Joining", "Waiting", "Unbinding", "Draining", "Dropping"),
        "RollingOut",
        "OwnerGone",
        "Completed",
        "SandboxChanged",
        "TaintManagerEviction",
        *("IPAllocated", "AddressReserved"),
        *("WaitForFirstConsumer", "ExternalProvisioning", "Provisioning", "ProvisioningSucceeded"),
        *("Resizing", "FileSystemResizeRequired", "FileSystemResizeSuccessful", "VolumeResizeSuccessful"),
    }
)
"""Reasons that tell of work as it should go: no cause of anything."""
_SUFFIX = "[bcdfghjklmnpqrstvwxz2456789]"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a part said about an object. last: seconds since the epoch; count: how often in a row; facts: what it knew."""

    kind: str
    name: str
    part: str
    reason: str
    message: str
    last: float
    count: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def is_trouble(self) -> bool:
        return self.reason not in ROUTINE

    @property
    def about(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


def from_decision(decision: Decision) -> Note:
    about = decision.about
    return Note(about.kind, about.name, decision.part, decision.reason, decision.message, decision.last, decision.count, decision.facts)


def from_event(event: Object) -> Note:
    """An Event of either API; its time is the last that it carries."""
    about = event.get("involvedObject") or event.get("regarding") or {}
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    written = next((time for time in times if time), None)
    part = event.get("reportingComponent") or event.get("reportingController") or (event.get("source") or {}).get("component") or ""
    count = series.get("count") or event.get("count") or 1
    message = event.get("message") or event.get("note") or ""
    last = meta.parse_rfc3339(written) if written else 0.0
    return Note(about.get("kind", ""), about.get("name", ""), part, event.get("reason", ""), message, last, count)


def from_refusal(event: Object, kind: str, pods: Iterable[str]) -> list[Note]:
    """What an Event of a policy says of pods: each node tells the policy, and the pods only in its own log. pods: NAMESPACE/NAME; those
    that the Event speaks of are found by its words. kind: of the notes."""
    if event.get("reason") not in REASONS:
        return []
    told, about = from_event(event), event.get("involvedObject") or {}
    named = [pod for pod in pods if re.search(rf"(?<![\w./-]){re.escape(pod)}(?![\w.-])", told.message)]
    message = f"{about.get('kind')} {about.get('name')}, {told.message}"
    return [replace(told, kind=kind, name=pod.partition("/")[2], message=message) for pod in named]


def merged(decisions: Iterable[Note], events: Iterable[Note]) -> list[Note]:
    """All decisions, and the Events that tell something else; oldest first."""
    known = list(decisions)
    said = {(note.kind, note.name, note.reason, note.message[:200]) for note in known}
    known += [note for note in events if (note.kind, note.name, note.reason, note.message[:200]) not in said]
    return sorted(known, key=lambda note: note.last)


def collapsed(notes: Iterable[Note]) -> list[Note]:
    """Each sentence once, with how often and when it was said last: what comes and goes is said again and again. Oldest first."""
    found: dict[tuple[str, str, str, str], Note] = {}
    for note in notes:
        key = (note.kind, note.name, note.reason, note.message)
        before = found.pop(key, None)
        found[key] = note if before is None else replace(note, count=before.count + note.count, last=max(before.last, note.last))
    return sorted(found.values(), key=lambda note: note.last)


def belongs_to(kind: str, name: str) -> Callable[[Note], bool]:
    """Whether a note is about an object or about what is made for it, by name: the maker may be gone, and the made ones too."""
    own = re.escape(name)
    replica_set = f"{own}-{_SUFFIX}{{1,10}}"
    made: dict[str, str] = {
        "App": f"App/{own}|Deployment/{own}|Service/{own}|Ingress/{own}|ReplicaSet/{replica_set}|Pod/{replica_set}-{_SUFFIX}{{5}}"
        f"|(?:Build|Pod)/{re.escape(name[:40])}-[0-9a-f]{{10}}(?:-build)?",
        "Deployment": f"Deployment/{own}|ReplicaSet/{replica_set}|Pod/{replica_set}-{_SUFFIX}{{5}}",
        "ReplicaSet": f"ReplicaSet/{own}|Pod/{own}-{_SUFFIX}{{5}}",
        "StatefulSet": f"StatefulSet/{own}|Pod/{own}-[0-9]+",
        "MySQL": f"(?:MySQL|StatefulSet)/{own}|Pod/{own}-[0-9]+|PersistentVolumeClaim/data-{own}-[0-9]+",
        "DaemonSet": f"DaemonSet/{own}|Pod/{own}-{_SUFFIX}{{5}}",
        "ReplicationController": f"ReplicationController/{own}|Pod/{own}-{_SUFFIX}{{5}}",
        "Job": f"Job/{own}|Pod/{own}-(?:[0-9]+-)?{_SUFFIX}{{5}}",
        "CronJob": f"CronJob/{own}|Job/{own}-[0-9]+|Pod/{own}-[0-9]+-(?:[0-9]+-)?{_SUFFIX}{{5}}",
        "Build": f"Build/{own}|Pod/{own}-build",
    }
    pattern = re.compile(made.get(kind, f"{kind}/{own}"))
    return lambda note: pattern.fullmatch(f"{note.kind}/{note.name}") is not None
