"""Which volumes an app has, from its spec alone (pure).

A volume is a folder of the app's processes whose files outlive them. Behind each is a PersistentVolumeClaim: one of the app's own, named
after both, or one that is there already and is named in `claim`. What a spec leaves out of size, access mode and class stays as it is.
"""

from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object

MOST = 20
"""Volumes of an app."""
SHARED = "ReadWriteMany"
VOLATILE = ("size", "accessMode", "storageClass")
"""What belongs to the claim, and is no part of a revision: nobody goes back to a smaller volume."""


@dataclass(frozen=True, slots=True)
class Volume:
    """name: of the spec. claim: name of its claim; is_own: that claim is the app's own. size, access_mode, storage_class: "" as they are.

    processes: those that mount it; empty for all.
    """

    name: str
    path: str
    claim: str
    is_own: bool = True
    size: str = ""
    access_mode: str = ""
    storage_class: str = ""
    read_only: bool = False
    processes: tuple[str, ...] = ()

    def is_of(self, process: str) -> bool:
        return not self.processes or process in self.processes


def of(app: Object) -> list[Volume]:
    """By name."""
    return [_volume(app, name, given) for name, given in sorted((app["spec"].get("volumes") or {}).items())]


def of_process(app: Object, process: str) -> list[Volume]:
    return [volume for volume in of(app) if volume.is_of(process)]


def claims_of(app: Object) -> list[str]:
    """The names of the claims behind all its volumes; also of an App whose spec nobody has looked at."""
    given = (app.get("spec") or {}).get("volumes") or {}
    return [each.get("claim") or claim_name(meta.name(app), name) for name, each in sorted(given.items())]


def claim_name(app_name: str, volume: str) -> str:
    """Of the app's own claim."""
    return f"{app_name}-{volume}"


def remembered(volumes: Object) -> Object:
    """What a revision keeps of `spec.volumes`: where which claim is mounted."""
    return {name: {key: value for key, value in given.items() if key not in VOLATILE} for name, given in volumes.items()}


def restored(state: Object, now: Object) -> Object:
    """`spec.volumes` of a revision, with what is true of their claims as `now`, the current one, has it."""
    kept = {name: {key: given[key] for key in VOLATILE if given.get(key)} for name, given in now.items()}
    return {name: given | kept.get(name, {}) for name, given in state.items()}


def _volume(app: Object, name: str, given: Object) -> Volume:
    return Volume(
        name,
        given["path"],
        given.get("claim") or claim_name(meta.name(app), name),
        not given.get("claim"),
        given.get("size") or "",
        given.get("accessMode") or "",
        given.get("storageClass") or "",
        bool(given.get("readOnly")),
        tuple(given.get("processes") or ()),
    )
