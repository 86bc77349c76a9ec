"""The claims behind an app's volumes: which to make or to let grow, and what stands against the spec because of them (pure).

A claim belongs to its app by labels and not by an owner reference: it outlives the app, and an app of the same name finds it again. A
claim is made and grows; nothing here removes one, so that data goes only when somebody asks for that by name.
"""

from collections.abc import Iterator, Mapping, Sequence

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity, canonical, parse
from pilothouse.model.volumes import class_of, requested
from pilothouse.platform.apps import objects, processes
from pilothouse.platform.apps.processes import Process
from pilothouse.platform.apps.volumes import spec
from pilothouse.platform.apps.volumes.spec import SHARED, Volume

DEFAULT_SIZE = "1Gi"
MOST_KEPT = 100
"""Claims that are listed in an app's status beside those of its volumes."""
ONE_NODE = "ReadWriteOnce"
VOLUME_LABEL = "apps.pilothouse.dev/volume"
"""Label of a claim that was made for an app's volume: the volume's name. `objects.NAME_LABEL` is the app's."""

PATH = "apps.pilothouse.dev/path"
"""Annotation of such a claim: where the volume was when it was made."""

Claims = Mapping[str, Object]
"""By name: those that an app's volumes name, and those that were made for it, as far as they exist."""


def is_made(claim: Object) -> bool:
    """Whether the platform has made it for an app."""
    return meta.labels(claim).get(objects.MANAGER_LABEL) == objects.MANAGER and VOLUME_LABEL in meta.labels(claim)


def app_of(claim: Object) -> str:
    """The app that it was made for; "" for a claim of somebody else."""
    return meta.labels(claim).get(objects.NAME_LABEL, "") if is_made(claim) else ""


def wanted(app: Object, claims: Claims) -> list[Object]:
    """Claims to make, whole, and those to let grow, with no more than their new size."""
    made = [_wanted(app, volume, claims.get(volume.claim)) for volume in spec.of(app) if volume.is_own]
    return [claim for claim in made if claim is not None]


def _wanted(app: Object, volume: Volume, current: Object | None) -> Object | None:
    if current is not None and not _changes_size(volume, current):
        return None
    labels = objects.labels(app) | {VOLUME_LABEL: volume.name}
    claim: Object = {
        "apiVersion": kinds.PERSISTENTVOLUMECLAIMS.api_version,
        "kind": kinds.PERSISTENTVOLUMECLAIMS.kind,
        "metadata": {"name": volume.claim, "namespace": meta.namespace(app), "labels": labels},
        "spec": {"resources": {"requests": {"storage": canonical(volume.size or DEFAULT_SIZE)}}},
    }
    if current is None:
        claim["metadata"]["annotations"] = {PATH: volume.path}
        claim["spec"] |= {"accessModes": [volume.access_mode or ONE_NODE]}
        claim["spec"] |= {"storageClassName": volume.storage_class} if volume.storage_class else {}
    return claim


def _changes_size(volume: Volume, current: Object) -> bool:
    """More is asked for, or less than was asked for in vain: what a volume has it keeps."""
    if not volume.size:
        return False
    size, asked = parse(volume.size).amount, requested(current).amount
    return size > asked or (size < asked and _has_volume(current) and size >= least(current).amount)


def _has_volume(current: Object) -> bool:
    return (current.get("status") or {}).get("phase") == "Bound"


def least(current: Object) -> Quantity:
    """The least that a claim may ask for: what its volume has; what was asked for, while it has none."""
    has = ((current.get("status") or {}).get("capacity") or {}).get("storage")
    return requested(current) if has is None else min(parse(has), requested(current), key=lambda each: each.amount)


def is_shared(volume: Volume, claims: Claims) -> bool:
    """Whether pods of several nodes may write to it at once."""
    current = claims.get(volume.claim)
    modes = current["spec"].get("accessModes") or [] if current is not None else [volume.access_mode]
    return SHARED in modes


def faults(app: Object, claims: Claims) -> Iterator[str]:
    """What of a spec that `check` has passed cannot be, as sentences with a way out."""
    for volume in spec.of(app):
        current = claims.get(volume.claim)
        if current is not None and volume.is_own:
            yield from _unlike(meta.name(app), volume, current)
        elif current is None and not volume.is_own:
            yield f"volume {volume.name} mounts claim {volume.claim}, which does not exist: make it, or leave `claim` out for the app's own"
    yield from crowded(app, claims)


def _unlike(app: str, volume: Volume, current: Object) -> Iterator[str]:
    name = volume.claim
    if app_of(current) != app or meta.labels(current)[VOLUME_LABEL] != volume.name:
        yield (
            f"claim {name} exists and was not made for volume {volume.name} of {app}: call the volume otherwise, "
            f"or mount that claim with `claim: {name}` (`--volume {volume.name}:{volume.path}:claim={name}`)"
        )
        return
    has = least(current)
    if volume.size and parse(volume.size).amount < has.amount:
        if _has_volume(current):
            smaller = f"volume {volume.name} of {app} has {has} and volumes never become smaller"
            yield f"{smaller}: leave the size out, or ask for more than {has}"
        else:
            yield (
                f"volume {volume.name} of {app} was asked for with {has} and is not made yet: "
                f"`ph volumes delete {app}/{volume.name}`, then deploy again"
            )
    modes: list[str] = current["spec"].get("accessModes") or []
    if volume.access_mode and volume.access_mode not in modes:
        yield f"volume {volume.name} of {app} is {', '.join(modes)} for good, not {volume.access_mode}: {_anew(volume)}"
    if volume.storage_class and volume.storage_class != class_of(current):
        yield f"volume {volume.name} of {app} is of storage class {class_of(current)} for good, not {volume.storage_class}: {_anew(volume)}"


def _anew(volume: Volume) -> str:
    return f"leave that out, or take a volume of another name and copy the data of {volume.name} over"


def crowded(app: Object, claims: Claims) -> Iterator[str]:
    """Replicas of one process that would write to the same files."""
    for process in processes.lasting(app):
        volume = next((each for each in spec.of_process(app, process.name) if not each.read_only and not is_shared(each, claims)), None)
        most = _most(app, process)
        if most > 1 and volume is not None:
            yield (
                f"{meta.name(app)} cannot have {most} replicas of {process.name}, which would write over each other's files in "
                f"volume {volume.name} ({ONE_NODE}): run one, keep what they share in a database, or give them a volume of mode "
                f"{SHARED} (`--volume NAME:{volume.path}:rwx`, of a storage class that can)"
            )


def _most(app: Object, process: Process) -> int:
    """Replicas that there may be, also by the load."""
    scaled = app["spec"].get("autoscale") if process.name == processes.WEB else None
    return max(process.replicas, scaled["max"] if scaled else 0)


def status(app: Object, claims: Claims) -> list[Object]:
    """As the app's status lists them, those that were taken out of the spec last; no more than a status has room for."""
    named = {volume.claim: volume.name for volume in spec.of(app)}
    found = [_shown(volume.name, volume.claim, claims.get(volume.claim)) for volume in spec.of(app)[: spec.MOST]]
    left = kept(app, claims, named)[:MOST_KEPT]
    return found + [_shown(meta.labels(each)[VOLUME_LABEL], meta.name(each), each) | {"kept": True} for each in left]


def kept(app: Object, claims: Claims, named: Mapping[str, str]) -> Sequence[Object]:
    """Claims that were made for the app and that none of its volumes names any more. named: by claim, the volume."""
    made = [claim for name, claim in sorted(claims.items()) if name not in named]
    return [claim for claim in made if app_of(claim) == meta.name(app)]


def _shown(name: str, claim: str, current: Object | None) -> Object:
    if current is None:
        return {"name": name, "claim": claim, "phase": "Missing"}
    reported = current.get("status") or {}
    capacity = (reported.get("capacity") or {}).get("storage")
    phase = "Deleting" if meta.is_deleting(current) else reported.get("phase") or "Pending"
    found = {"name": name, "claim": claim, "phase": phase, "requested": str(requested(current))}
    return found | ({"capacity": capacity} if capacity else {})
