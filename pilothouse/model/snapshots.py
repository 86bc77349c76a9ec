"""The kinds of snapshot.storage.k8s.io/v1, and what their objects say of each other. Pure.

Source: kubernetes-csi/external-snapshotter client/apis/volumesnapshot/v1, pkg/utils/util.go.
"""

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.model.volumes import SNAPSHOTS, data_source

GROUP = SNAPSHOTS
VOLUMESNAPSHOTS = Resource(
    GROUP,
    "v1",
    "volumesnapshots",
    "VolumeSnapshot",
    singular="volumesnapshot",
    short_names=("vs",),
    subresources=("status",),
    custom=True,
)
VOLUMESNAPSHOTCONTENTS = Resource(
    GROUP,
    "v1",
    "volumesnapshotcontents",
    "VolumeSnapshotContent",
    namespaced=False,
    singular="volumesnapshotcontent",
    short_names=("vsc", "vscs"),
    subresources=("status",),
    custom=True,
)
VOLUMESNAPSHOTCLASSES = Resource(
    GROUP,
    "v1",
    "volumesnapshotclasses",
    "VolumeSnapshotClass",
    namespaced=False,
    singular="volumesnapshotclass",
    short_names=("vsclass", "vsclasses"),
    custom=True,
)

_OWN = "snapshot.storage.kubernetes.io/"
DEFAULT_CLASS = f"{_OWN}is-default-class"
AS_SOURCE, BOUND = f"{_OWN}volumesnapshot-as-source-protection", f"{_OWN}volumesnapshot-bound-protection"
"""Finalizers of a snapshot: a volume may be made of it; its content is to go with it."""
CONTENT_BOUND = f"{_OWN}volumesnapshotcontent-bound-protection"
"""Finalizer of a content, for as long as its snapshot is on the storage."""
CLAIM_AS_SOURCE = f"{_OWN}pvc-as-source-protection"
"""Finalizer of a claim of which a snapshot is being taken."""
BEING_DELETED = f"{_OWN}volumesnapshot-being-deleted"
BEING_CREATED = f"{_OWN}volumesnapshot-being-created"
MODE_CHANGE = f"{_OWN}allow-volume-mode-change"
DELETE, RETAIN = "Delete", "Retain"


def content_name(snapshot: Object) -> str:
    """Of the content that stands for the snapshot, or is to."""
    source = snapshot["spec"].get("source") or {}
    return source.get("volumeSnapshotContentName") or f"snapcontent-{meta.uid(snapshot)}"


def source_claim(snapshot: Object) -> str:
    """The name of the claim that it is taken of; "" for one that was there before."""
    return (snapshot["spec"].get("source") or {}).get("persistentVolumeClaimName") or ""


def points_to(content: Object, snapshot: Object) -> bool:
    """Whether the content is that very snapshot's."""
    reference = content["spec"].get("volumeSnapshotRef") or {}
    wanted = meta.namespace(snapshot), meta.name(snapshot), meta.uid(snapshot)
    return (reference.get("namespace"), reference.get("name"), reference.get("uid")) == wanted


def snapshot_key(content: Object) -> str:
    reference = content["spec"].get("volumeSnapshotRef") or {}
    return f"{reference.get('namespace') or ''}/{reference.get('name') or ''}"


def is_ready(obj: Object) -> bool:
    """Of a snapshot or a content."""
    return (obj.get("status") or {}).get("readyToUse") is True


def is_source_of(snapshot: Object, claim: Object) -> bool:
    """Whether the claim asks for a volume that is made of the snapshot."""
    source = data_source(claim) or {}
    if (source.get("apiGroup"), source.get("kind"), source.get("name")) != (GROUP, VOLUMESNAPSHOTS.kind, meta.name(snapshot)):
        return False
    return (source.get("namespace") or meta.namespace(claim)) == meta.namespace(snapshot)
