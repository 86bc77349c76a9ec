"""What is to be done about a VolumeSnapshot: have it taken, bind it to its content, show what that shows, let it go. Pure.

Source: kubernetes-csi/external-snapshotter pkg/common-controller/snapshot_controller.go. Unlike there, a snapshot that is deleted before
it was ready does not wait until it is: what is being copied for it is given up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pilothouse.engine.controllers.snapshot.source import Refused, driver_and_handle, snapshot_class
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.snapshots import (
    AS_SOURCE,
    BEING_DELETED,
    BOUND,
    CLAIM_AS_SOURCE,
    CONTENT_BOUND,
    DELETE,
    VOLUMESNAPSHOTS,
    content_name,
    is_ready,
    points_to,
    source_claim,
)
from pilothouse.model.volumes import mode, shown_bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """content: of the name that the snapshot's has, whoever it points to. claim, volume: that are its source, None when there is none.

    is_restored: a claim waits for a volume that is made of it. claim_is_needed: another snapshot is being taken of the claim.
    """

    snapshot: Object
    content: Object | None = None
    claim: Object | None = None
    volume: Object | None = None
    classes: Sequence[Object] = field(default_factory=tuple)
    is_restored: bool = False
    claim_is_needed: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """An object as it is to be: the snapshot, its claim or its content. is_status: what is written is its status."""

    obj: Object
    is_status: bool = False


@dataclass(frozen=True, slots=True)
class Create:
    content: Object


@dataclass(frozen=True, slots=True)
class Delete:
    content: Object


@dataclass(frozen=True, slots=True)
class Say:
    reason: str
    message: str
    type: str = "Normal"


@dataclass(frozen=True, slots=True)
class Fail:
    """The snapshot's status gets the error, and an event says it, unless it has it already."""

    reason: str
    message: str


Action = Write | Create | Delete | Say | Fail


def plan(facts: Facts) -> list[Action]:
    """In the order in which it is to be done. What follows from a write is found by the next look."""
    if meta.is_deleting(facts.snapshot):
        return [*_let_go(facts), *_free_claim(facts)]
    try:
        found = _taken(facts)
    except Refused as refused:
        return [Fail(refused.reason, refused.message), *_free_claim(facts)]
    # Without a content it is being begun, and has its claim kept by the same actions.
    return found if facts.content is None else [*found, *_free_claim(facts)]


def may_have_begun(snapshot: Object) -> bool:
    """Whether a content may have been made for it that nobody has seen yet."""
    return AS_SOURCE in meta.finalizers(snapshot) and not _was_bound(snapshot)


def _taken(facts: Facts) -> list[Action]:
    snapshot, content = facts.snapshot, facts.content
    if content is None and _was_bound(snapshot):
        raise Refused("SnapshotContentMissing", "VolumeSnapshotContent is missing")
    found: list[Action] = []
    if content is None:
        found = _begin(facts)
    elif source_claim(snapshot):
        _check_made(snapshot, content)
    else:
        found = _bind(snapshot, content)
    if found or content is None:
        return found
    return _protect(snapshot, content) + _show(snapshot, content)


def _was_bound(snapshot: Object) -> bool:
    """Whether it has had a content, or names one."""
    return not source_claim(snapshot) or bool((snapshot.get("status") or {}).get("boundVolumeSnapshotContentName"))


def _begin(facts: Facts) -> list[Action]:
    """The content that has it taken; first its class is written down, and its claim kept from going. Raises Refused."""
    snapshot, claim = facts.snapshot, facts.claim
    found = snapshot_class(snapshot, claim, facts.volume, facts.classes)
    if snapshot["spec"].get("volumeSnapshotClassName") is None:
        return [Write(snapshot | {"spec": snapshot["spec"] | {"volumeSnapshotClassName": meta.name(found)}})]
    volume, handle = driver_and_handle(snapshot, claim, facts.volume, found)
    assert claim is not None
    actions: list[Action] = []
    if AS_SOURCE not in meta.finalizers(snapshot):
        return [Write(_with_finalizers(snapshot, AS_SOURCE))]
    if CLAIM_AS_SOURCE not in meta.finalizers(claim):
        actions.append(Write(_with_finalizers(claim, CLAIM_AS_SOURCE)))
    key = meta.key(snapshot)
    waits = f"Waiting for a snapshot {key} to be created by the CSI driver."
    return [*actions, Create(_content(snapshot, found, volume, handle)), Say("CreatingSnapshot", waits)]


def _content(snapshot: Object, snapshot_class_: Object, volume: Object, handle: str) -> Object:
    reference = {
        "apiVersion": VOLUMESNAPSHOTS.api_version,
        "kind": VOLUMESNAPSHOTS.kind,
        "namespace": meta.namespace(snapshot),
        "name": meta.name(snapshot),
        "uid": meta.uid(snapshot),
        "resourceVersion": meta.resource_version(snapshot),
    }
    return {
        "metadata": {"name": content_name(snapshot), "finalizers": [CONTENT_BOUND]},
        "spec": {
            "deletionPolicy": snapshot_class_["deletionPolicy"],
            "driver": snapshot_class_["driver"],
            "source": {"volumeHandle": handle},
            "sourceVolumeMode": mode(volume),
            "volumeSnapshotClassName": meta.name(snapshot_class_),
            "volumeSnapshotRef": reference,
        },
    }


def _check_made(snapshot: Object, content: Object) -> None:
    """Of a content by the name that ours would have. Raises Refused."""
    name = meta.name(content)
    if not content["spec"]["source"].get("volumeHandle"):
        why = f"VolumeSnapshotContent {name} is pre-provisioned while expecting a dynamically provisioned one"
        raise Refused("SnapshotContentMismatch", why)
    if not points_to(content, snapshot):
        raise _misbound(name)


def _bind(snapshot: Object, content: Object) -> list[Action]:
    """To a content that was there before. Raises Refused."""
    spec, reference = content["spec"], content["spec"].get("volumeSnapshotRef") or {}
    if not spec["source"].get("snapshotHandle"):
        why = "VolumeSnapshotContent is dynamically provisioned while expecting a pre-provisioned one"
        raise Refused("SnapshotContentMismatch", why)
    if points_to(content, snapshot):
        return []
    names = meta.namespace(snapshot), meta.name(snapshot)
    if reference.get("uid") or (reference.get("namespace"), reference.get("name")) != names:
        raise _misbound(meta.name(content))
    bound = spec | {"volumeSnapshotRef": reference | {"uid": meta.uid(snapshot)}}
    if name := snapshot["spec"].get("volumeSnapshotClassName"):
        bound["volumeSnapshotClassName"] = name
    return [Write(_with_finalizers(content, CONTENT_BOUND) | {"spec": bound})]


def _misbound(name: str) -> Refused:
    return Refused("SnapshotContentMisbound", f"VolumeSnapshotContent [{name}] is bound to a different snapshot")


def _protect(snapshot: Object, content: Object) -> list[Action]:
    wanted = [AS_SOURCE, *([BOUND] if content["spec"]["deletionPolicy"] == DELETE else [])]
    found: list[Action] = []
    if set(wanted) - set(meta.finalizers(snapshot)):
        found.append(Write(_with_finalizers(snapshot, *wanted)))
    if CONTENT_BOUND not in meta.finalizers(content) and not meta.is_deleting(content):
        found.append(Write(_with_finalizers(content, CONTENT_BOUND)))
    return found


def _show(snapshot: Object, content: Object) -> list[Action]:
    """The content's status as the snapshot's, and what is new in it."""
    before, status = snapshot.get("status") or {}, content.get("status") or {}
    shown = before | {"boundVolumeSnapshotContentName": meta.name(content), "readyToUse": is_ready(content)}
    if (taken_ns := status.get("creationTime")) is not None:
        shown["creationTime"] = meta.rfc3339(taken_ns / 1e9)
    if (size_bytes := status.get("restoreSize")) is not None:
        shown["restoreSize"] = shown_bytes(size_bytes)
    shown.pop("error", None)
    if status.get("error") and not is_ready(content):
        shown["error"] = status["error"]
    if shown == before:
        return []
    return [Write(snapshot | {"status": shown}, is_status=True), *_news(meta.key(snapshot), before, shown)]


def _news(key: str, before: Object, shown: Object) -> list[Action]:
    found: list[Action] = []
    if shown.get("creationTime") and not before.get("creationTime"):
        found.append(Say("SnapshotCreated", f"Snapshot {key} was successfully created by the CSI driver."))
    if shown["readyToUse"] and not before.get("readyToUse"):
        found.append(Say("SnapshotReady", f"Snapshot {key} is ready to use."))
    message = (shown.get("error") or {}).get("message")
    if message and message != (before.get("error") or {}).get("message"):
        found.append(Say("SnapshotCreationFailed", message, "Warning"))
    return found


def _let_go(facts: Facts) -> list[Action]:
    snapshot = facts.snapshot
    if not {AS_SOURCE, BOUND} & set(meta.finalizers(snapshot)):
        return []
    content = facts.content if facts.content is not None and points_to(facts.content, snapshot) else None
    if content is None:
        return [Write(_without_finalizers(snapshot, AS_SOURCE, BOUND))]
    if facts.is_restored:
        return [Say("SnapshotDeletePending", "Snapshot is being used to restore a PVC", "Warning")]
    found: list[Action] = []
    if BEING_DELETED not in meta.annotations(content):
        # Whoever has the snapshot on its storage removes it only when it finds this.
        marked = content["metadata"] | {"annotations": meta.annotations(content) | {BEING_DELETED: "yes"}}
        found.append(Write(content | {"metadata": marked}))
    if content["spec"]["deletionPolicy"] != DELETE:
        return [*found, Write(_without_finalizers(snapshot, AS_SOURCE, BOUND))]
    return found if meta.is_deleting(content) else [*found, Delete(content)]


def _free_claim(facts: Facts) -> list[Action]:
    """The claim may go once no snapshot is being taken of it."""
    claim = facts.claim
    if claim is None or CLAIM_AS_SOURCE not in meta.finalizers(claim) or facts.claim_is_needed:
        return []
    is_taken = meta.is_deleting(facts.snapshot) or is_ready(facts.content or {}) or facts.content is None
    return [Write(_without_finalizers(claim, CLAIM_AS_SOURCE))] if is_taken else []


def _with_finalizers(obj: Object, *wanted: str) -> Object:
    return obj | {"metadata": obj["metadata"] | {"finalizers": list(dict.fromkeys([*meta.finalizers(obj), *wanted]))}}


def _without_finalizers(obj: Object, *unwanted: str) -> Object:
    return obj | {"metadata": obj["metadata"] | {"finalizers": [each for each in meta.finalizers(obj) if each not in unwanted]}}
