"""What is said of an instance in its conditions, and in one word as its phase (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import fullness, names
from pilothouse.platform.databases.mysql.backups.restore import RESTORED, is_final
from pilothouse.platform.databases.mysql.parameters.refused import Heard
from pilothouse.platform.databases.mysql.topology.findings import Finding

READY, HEALTHY, ACCEPTED, RESIZED, ROOMY, DELETING = "Ready", "Healthy", "Accepted", "Resized", "HasRoom", "Deleting"
ROTATED = "Rotated"
Said = tuple[str, str, str]
"""Status, reason, message."""
ON_THE_WAY = frozenset(
    ["FailingOver", "MakingImage", "PullingImage", "Resizing", "Restarting", "Restoring", "Starting", "Suspended", "Suspending"]
)
"""Reasons of what ends by itself."""
FOR_PEOPLE = frozenset(
    (
        "CrashLoop",
        "ContainerFails",
        "Diverged",
        "ImageLacks",
        "ImagePull",
        "NoImage",
        "NoVolume",
        "PodsRefused",
        "QuotaExceeded",
        "Unschedulable",
    )
)
"""Reasons of what somebody has to mend. A primary that is away may come back, or a replica take over, at any moment."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What the conditions are made from.

    faults: of the spec. taken: what has its objects' names. refused: what the cluster would not have. troubles: why pods do not run, as
    (reason, sentence). findings: of the topology. is_writable: whether the Service leads to a primary that accepts writes. resizing:
    sentences; has_no_room: whether one of them may stay true. suspended: whether it is to stand still. pods, ready: how many there are.
    crowded: members whose volume is nearly full. restarting: members that are made anew. deletion: see `lifecycle.deletion`.
    rotation: see `rotation.said`. heard: of settings; None where members were not asked.
    """

    is_writable: bool = False
    faults: Sequence[str] = ()
    taken: Sequence[str] = ()
    refused: Sequence[str] = ()
    troubles: Sequence[tuple[str, str]] = ()
    findings: Sequence[Finding] = ()
    resizing: Sequence[str] = ()
    has_no_room: bool = False
    crowded: Sequence[str] = ()
    suspended: bool = False
    pods: int = 0
    ready: int = 0
    replicas: int = 1
    restarting: Sequence[str] = ()
    deletion: Said | None = None
    rotation: Said | None = None
    heard: Heard | None = None


def said(instance: Object, picture: Picture) -> dict[str, Said | None]:
    """By type of condition; None for one that is not there."""
    return {
        READY: _ready(instance, picture),
        HEALTHY: _healthy(picture),
        ACCEPTED: _accepted(picture),
        RESIZED: _resized(picture),
        ROOMY: _roomy(instance, picture),
        DELETING: picture.deletion,
        ROTATED: picture.rotation,
    }


def before(instance: Object, kind: str) -> Said | None:
    """As it was said last."""
    found = meta.condition(instance, kind)
    return (found["status"], found["reason"], found["message"]) if found is not None else None


def _accepted(picture: Picture) -> Said:
    if picture.faults:
        return "False", "InvalidSpec", "; ".join(picture.faults)
    if picture.taken:
        return "False", "NameTaken", f"{' and '.join(picture.taken)} exists and is not this instance's: rename the instance or remove it"
    if picture.refused:
        return "False", "Refused", "; ".join(picture.refused)
    if unfit := picture.heard.sentences() if picture.heard is not None else "":
        return "False", "ParameterRefused", unfit
    return "True", "Accepted", ""


def _ready(instance: Object, picture: Picture) -> Said:
    if picture.suspended:
        message = "" if picture.pods else "nothing runs; its volumes stay"
        return "False", "Suspending" if picture.pods else "Suspended", message or "its servers stop"
    if picture.is_writable:
        return "True", "Serving", f"answers at {names.host(meta.name(instance), meta.namespace(instance))}:{names.PORT}"
    accepted = _accepted(picture)
    if accepted[0] == "False" and not picture.pods:
        return accepted
    restored = meta.condition(instance, RESTORED) or {}
    if restored.get("status") == "False" and not (instance.get("status") or {}).get("seeded"):
        return "False", restored["reason"], restored["message"]
    found = _worst(picture)
    return ("False", *found) if found is not None else ("False", "Starting", "its primary does not accept writes yet")


def _healthy(picture: Picture) -> Said:
    if picture.suspended:
        return "Unknown", "Suspended", "nothing runs"
    found = _worst(picture)
    if found is not None:
        return ("False", *found)
    if picture.restarting:
        return "False", "Restarting", f"{', '.join(picture.restarting)} is made anew"
    if picture.ready < picture.replicas:
        return "False", "Starting", f"{picture.ready} of {picture.replicas} members are ready"
    return "True", "AllMembersReady", ""


def _worst(picture: Picture) -> tuple[str, str] | None:
    """What stops writes first, then what keeps pods from running, then what the topology says beside."""
    stopping = [(each.reason, each.message) for each in picture.findings if each.stops_writes]
    others = [(each.reason, each.message) for each in picture.findings if not each.stops_writes]
    found = [*stopping, *picture.troubles, *others]
    return found[0] if found else None


def _resized(picture: Picture) -> Said:
    if picture.suspended or not picture.resizing:
        return "True", "AsWanted", ""
    return "False", "NoRoom" if picture.has_no_room else "Resizing", "; ".join(picture.resizing)


def _roomy(instance: Object, picture: Picture) -> Said:
    """Does not count as unhealthy: a volume may stay as it is for long."""
    if picture.crowded:
        return "False", "NearlyFull", fullness.sentence(meta.name(instance), picture.crowded)
    return "True", "EnoughRoom", ""


def phase(instance: Object, picture: Picture) -> str:
    before = str((instance.get("status") or {}).get("phase") or "Creating")
    seeded = bool((instance.get("status") or {}).get("seeded"))
    if picture.deletion is not None and picture.deletion[1] != "Protected":
        return "Deleting"
    if picture.suspended:
        return "Suspending" if picture.pods else "Suspended"
    if picture.is_writable:
        return _serving(picture)
    if not seeded:
        return _beginning(instance, picture)
    if before in ("Suspended", "Suspending", "Resuming"):
        return "Resuming"
    if picture.restarting:
        return "Changing"
    found = _worst(picture)
    return "Failed" if found is not None and found[0] in FOR_PEOPLE else "Degraded"


def _beginning(instance: Object, picture: Picture) -> str:
    if _accepted(picture)[0] == "False":
        return "Failed"
    if not instance["spec"].get("restore"):
        return "Creating"
    return "Failed" if is_final(meta.condition(instance, RESTORED) or {}) else "Restoring"


def _serving(picture: Picture) -> str:
    if picture.resizing or picture.restarting:
        return "Changing"
    return "Online" if _healthy(picture)[0] == "True" else "Degraded"
