"""What a change of access, backups or protection means: the servers notice nothing of it (pure)."""

from collections.abc import Iterator

from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern import clients

FIELDS = ("access", "backup", "deletionProtection", "finalBackup")


def is_all(before: Object, after: Object) -> bool:
    """Whether nothing else differs."""
    return differing(before, after) <= {*FIELDS}


def differing(before: Object, after: Object) -> set[str]:
    """The fields of the spec that differ; one that is not there is as one that holds nothing."""
    return {key for key in {*before, *after} if _content(before.get(key)) != _content(after.get(key))}


def _content(value: object) -> object:
    return None if value in ("", {}, []) else value


def notes(before: Object, after: Object) -> Iterator[str]:
    """A sentence each. before, after: specs."""
    yield from _access(before.get("access") or {}, after.get("access") or {})
    yield from _backups(before.get("backup") or {}, after.get("backup") or {})
    yield from _deletion(before, after)


def _access(before: Object, after: Object) -> Iterator[str]:
    for key, what in (("clients", ""), ("metrics", " to the metrics")):
        was, becomes = ([clients.text(each) for each in spec.get(key) or ()] for spec in (before, after))
        if added := [each for each in becomes if each not in was]:
            yield f"let in{what}: {', '.join(added)}"
        if gone := [each for each in was if each not in becomes]:
            yield f"let in{what} no more: {', '.join(gone)}; connections of theirs that are open may be cut off"


def _backups(before: Object, after: Object) -> Iterator[str]:
    if _store(before) != _store(after):
        archive = " and the archive begins anew there, so take a backup once it does" if after.get("archive") else ""
        yield f"backups go to store {_store(after)} from now on{archive}; those in store {_store(before)} stay and can be restored"
    if (before.get("schedule") or "") != (after.get("schedule") or ""):
        yield f"backups are taken at {after['schedule']} UTC" if after.get("schedule") else "no backup is taken but those asked for"
    if bool(before.get("archive")) != bool(after.get("archive")):
        on = "each change is archived within a second; points in time can be restored from the next backup on: `ph mysql backup` takes one"
        yield on if after.get("archive") else "points in time from now on cannot be restored; backups can, and what is archived already"
    yield from _keep(before.get("keep") or {}, after.get("keep") or {})
    if before.get("verify", True) and not after.get("verify", True):
        yield "scheduled backups are no longer proven by a restore from the store"


def _store(backup: Object) -> str:
    return backup.get("store") or "default"


def _keep(before: Object, after: Object) -> Iterator[str]:
    if after.get("count", 7) < before.get("count", 7):
        yield f"scheduled backups beyond the newest {after['count']} go"
    if after.get("days") and after["days"] < (before.get("days") or 1 << 30):
        yield f"scheduled backups that are older than {after['days']} days go"


def _deletion(before: Object, after: Object) -> Iterator[str]:
    if before.get("deletionProtection", True) and not after.get("deletionProtection", True):
        yield "it may be deleted, and a deletion that was asked for already is carried out"
    if before.get("finalBackup", True) and not after.get("finalBackup", True):
        yield "no last backup is taken when it is deleted"
