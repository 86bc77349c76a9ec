"""The revisions of an app: what was rolled out, and in what one differs from the one before (pure)."""

import re
from collections.abc import Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.apps import objects

_PASSWORD = re.compile(r"(?<=^http://)[^/@]*@|(?<=^https://)[^/@]*@")
_SPOKEN = {"attempt": "built again", "image": "image", "command": "command", "args": "command"}
_NAMED = {"env": "env", "volumes": "volume"}
_CHANGES = ("image", "attempt", "port", "command", "args", "processes", "env", "volumes", "resources", "health")


ROLLED_OUT_AT = "apps.pilothouse.dev/rolled-out-at"
GONE_BACK_TO = "apps.pilothouse.dev/gone-back-to"
"""Annotation: the number that the revision had before it became the newest again."""


def with_newest(app: Object, data: Object, revisions: Sequence[Object], now: str) -> list[Object]:
    """All revisions, oldest first; that of `data` has the highest number, for a state gone back to becomes the newest."""
    name = objects.revision_name(app, data)
    highest = max((int(r["revision"]) for r in revisions), default=0)
    known = next((r for r in revisions if meta.name(r) == name), None)
    if known is None:
        newest = _marked(objects.revision(app, data, highest + 1), {ROLLED_OUT_AT: now})
    elif known["revision"] == highest:
        newest = known
    else:
        newest = _marked(known | {"revision": highest + 1}, {ROLLED_OUT_AT: now, GONE_BACK_TO: str(known["revision"])})
    others = [r for r in revisions if meta.name(r) != name]
    return in_order([*others, newest])


def _marked(revision: Object, marks: dict[str, str]) -> Object:
    return revision | {"metadata": revision["metadata"] | {"annotations": meta.annotations(revision) | marks}}


def in_order(revisions: Sequence[Object]) -> list[Object]:
    return sorted(revisions, key=lambda r: int(r["revision"]))


def shown(kept: Sequence[Object], now: str) -> list[Object]:
    """Revisions as the app's status lists them. kept: oldest first."""
    before: list[Object | None] = [None, *kept]
    return [_shown(revision, previous, now) for revision, previous in zip(kept, before, strict=False)]


def with_service(listed: Sequence[Object], before: Sequence[Object], *, is_ready: bool) -> list[Object]:
    """The list with which revisions the app was ready with. listed: oldest first; before: as the status listed them.

    is_ready: the app is, with the newest. A revision that became the newest again begins anew.
    """
    known = {each["number"]: each["served"] for each in before if "served" in each}
    found = [each | ({"served": known[each["number"]]} if each["number"] in known else {}) for each in listed]
    if found:
        found[-1]["served"] = is_ready or known.get(found[-1]["number"], False)
    return found


def _shown(revision: Object, previous: Object | None, now: str) -> Object:
    marks = meta.annotations(revision)
    changed = changes(previous["data"], revision["data"]) if previous is not None else []
    if GONE_BACK_TO in marks:
        changed = [f"back to revision {marks[GONE_BACK_TO]}"]
    return {
        "number": revision["revision"],
        "image": revision["data"]["image"],
        "createdAt": marks.get(ROLLED_OUT_AT) or revision["metadata"].get("creationTimestamp") or now,
        "note": _note(revision["data"]["spec"]),
    } | ({"changed": ", ".join(changed)} if changed else {})


def changes(before: Object, after: Object) -> list[str]:
    """What differs, in few words: `source`, `env GREETING`, `secrets`."""
    old, new = before["spec"], after["spec"]
    found: list[str] = []
    if any(old.get(key) != new.get(key) for key in ("source", "build")):
        found.append("source")
    differing = [key for key in _CHANGES if old.get(key) != new.get(key)]
    found += [_named(key, old, new) if key in _NAMED else _SPOKEN.get(key, key) for key in differing]
    if before.get("secrets") != after.get("secrets") or old.get("secrets") != new.get("secrets"):
        found.append("secrets")
    if not found and before["image"] != after["image"]:
        found.append("image")
    return list(dict.fromkeys(found))


def _named(key: str, old: Object, new: Object) -> str:
    before, after = old.get(key) or {}, new.get(key) or {}
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return f"{_NAMED[key]} {' '.join(names[:3])}{' ...' if len(names) > 3 else ''}"


def _note(spec: Object) -> str:
    git = (spec.get("source") or {}).get("git")
    if not git:
        return ""
    return " ".join(word for word in (_PASSWORD.sub("", git["url"]), git.get("revision", ""), (git.get("commit") or "")[:12]) if word)
