"""PersistentVolumes of an instance's members: kept while it is protected, whoever deletes its claims or its namespace (pure).

A volume's reclaim policy says what becomes of the data when its claim goes. While an instance is protected it is Retain; when the
protection goes it is again what it was, so that a deleted instance leaves nothing. An instance whose namespace goes notes on its volumes
what it was like, by which another instance can take up its primary's (`ph mysql create --from-volumes`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import JSONError, Object, loads
from pilothouse.platform.databases.mysql import labels, names

POLICY = "databases.pilothouse.dev/reclaim-policy"
"""Annotation of a volume that is kept by protection: the policy that it has without. Others have none."""
LEFT = "databases.pilothouse.dev/left-by"
"""Annotation of a volume: what its instance was like when its namespace went, as JSON; see `note`."""
REPLACED = "databases.pilothouse.dev/replaced-at"
"""Annotation of a volume: when it was first seen that its claim had been made anew, so that its member has another one."""
RETAIN, DELETE = "Retain", "Delete"
KEPT = ("flavour", "version", "replicas", "size", "storageClass", "resources", "parameters", "access", "backup", "finalBackup")
"""Of the spec, what another instance of the data begins with."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a note says. member: whose volume it is. primary: the member that had everything; "" while none was chosen."""

    namespace: str
    instance: str
    uid: str
    member: str
    primary: str
    at: str
    version: str
    database: str
    spec: Object

    @property
    def is_primary(self) -> bool:
        return bool(self.primary) and self.member == self.primary


def bound_to(claims: Iterable[Object]) -> Iterator[tuple[Object, str]]:
    """Claims with the names of their volumes, but for those that have none."""
    return ((claim, name) for claim in claims if (name := claim["spec"].get("volumeName")))


def is_replaced(volume: Object, claims: Mapping[str, Object]) -> bool:
    """Whether the member that had it has another volume. claims: the instance's, by name; of one that has gone the mark tells it."""
    claim, uid = claims.get(claim_name(volume)), (volume["spec"].get("claimRef") or {}).get("uid")
    return uid not in (None, meta.uid(claim)) if claim is not None else REPLACED in meta.annotations(volume)


def patch(instance: Object, volume: Object, *, keep: bool, replaced_at: str = "") -> Object | None:
    """As a merge patch; None for nothing to change. keep: whether the data outlive the claim. replaced_at: "" of a volume in use.

    The policy of a volume that was not made to keep is somebody else's, and left alone. What an instance before has noted stays until
    this one has taken its data up.
    """
    marks, now = meta.annotations(volume), volume["spec"].get("persistentVolumeReclaimPolicy") or RETAIN
    usual = marks.get(POLICY) or (now if now != RETAIN else None)
    policy = RETAIN if keep else marks.get(POLICY) or now
    wanted = {POLICY: usual if keep else None, labels.UID: meta.uid(instance)}
    wanted[REPLACED] = (marks.get(REPLACED) or replaced_at) if replaced_at else None
    if (instance.get("status") or {}).get("seeded") and not _has_left(instance, volume):
        wanted[LEFT] = None
    changes = {key: value for key, value in wanted.items() if marks.get(key) != value}
    if not changes and now == policy and meta.labels(volume).get(labels.INSTANCE) == meta.name(instance):
        return None
    metadata = {"labels": labels.selector(meta.name(instance)), "annotations": changes}
    return {"metadata": metadata, "spec": {"persistentVolumeReclaimPolicy": policy}}


def of(instance: Object, volumes: Iterable[Object]) -> list[Object]:
    """Those that were its members' last, whether their claims are still there or not."""
    return [each for each in volumes if labels.is_of(instance, each) and _namespace(each) == meta.namespace(instance)]


def note(instance: Object, volume: Object, now: str) -> Object | None:
    """The patch that leaves word on a volume of an instance whose namespace goes; None where it is there already.

    One that was replaced is nobody's primary's, and of the time at which it was.
    """
    marks = meta.annotations(volume)
    if LEFT in marks:
        return None
    status, spec = instance.get("status") or {}, instance["spec"]
    said = {
        "namespace": meta.namespace(instance),
        "instance": meta.name(instance),
        "uid": meta.uid(instance),
        "member": claim_name(volume).removeprefix(names.claim("")),
        "primary": "" if REPLACED in marks else str(status.get("primary") or ""),
        "at": marks.get(REPLACED) or now,
        "version": str(status.get("version") or ""),
        "database": names.database(instance),
        "spec": {key: spec[key] for key in KEPT if spec.get(key) not in (None, "", {})},
    }
    return {"metadata": {"annotations": {LEFT: json.dumps(said, sort_keys=True, separators=(",", ":"))}}}


def left(volume: Object) -> Left | None:
    """What was noted on it; None where nothing was, or where somebody has made something else of it."""
    try:
        found = loads(meta.annotations(volume).get(LEFT, "").encode())
    except JSONError:
        return None
    fields = [each for each in Left.__dataclass_fields__ if each != "spec"]
    if (
        not isinstance(found, dict)
        or not all(isinstance(found.get(each), str) for each in fields)
        or not isinstance(found.get("spec"), dict)
    ):
        return None
    return Left(**{key: found[key] for key in (*fields, "spec")})


def _has_left(instance: Object, volume: Object) -> bool:
    """Whether the note is the instance's own, whose namespace goes while claims are still there."""
    said = left(volume)
    return said is not None and said.uid == meta.uid(instance)


def claim_name(volume: Object) -> str:
    return str((volume["spec"].get("claimRef") or {}).get("name") or "")


def instance_keys(volume: Object) -> list[str]:
    """The instance whose claim has it, or had it."""
    name = meta.labels(volume).get(labels.INSTANCE)
    return [f"{_namespace(volume)}/{name}"] if name and _namespace(volume) else []


def _namespace(volume: Object) -> str:
    return str((volume["spec"].get("claimRef") or {}).get("namespace") or "")
