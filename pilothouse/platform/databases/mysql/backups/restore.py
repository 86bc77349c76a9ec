"""The restore that a new instance begins with: which backup, the Job that gives it to the first member, and what is said of it (pure)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.inside.archive.position import contains, position
from pilothouse.platform.databases.mysql import names
from pilothouse.platform.databases.mysql.backups import carried
from pilothouse.platform.databases.mysql.backups.source import member
from pilothouse.platform.databases.pattern.backups import jobs, labels, programs, stores
from pilothouse.platform.databases.pattern.backups.jobs import Room, Task
from pilothouse.platform.databases.resource import MYSQLS

RESTORED = "Restored"
TASK = "restore"
WISH = "databases.pilothouse.dev/restore"
"""Annotation of the Job: a digest of what was asked for. Another wish is another Job."""
AGAIN_S = 15.0
FINAL = (
    *("OutsideLogs", "NoSuchPoint", "NoBackup", "Corrupted", "Missing", "KeyUnknown"),
    *("ReplayFailed", "NoRoom", "StoreRefused", "NoStore"),
)
"""Reasons that another attempt does not help: the instance has to be told otherwise, or deleted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """condition: of the instance; None when there is nothing to say. database: its first one from now on, "" for no change.

    It is in the status before the Job (create) is made. remove: a Job.
    """

    condition: tuple[str, str, str] | None = None
    database: str = ""
    create: Object | None = None
    remove: Object | None = None
    again_s: float | None = None


def plan(
    instance: Object, backups: Sequence[Object], known: Mapping[str, Object], found: tuple[Object, Sequence[Object]] | None, program: bytes
) -> Plan:
    """backups: of the namespace. known: its stores by name. found: the Job, with its pods."""
    restore, status = instance["spec"].get("restore"), instance.get("status") or {}
    if not restore:
        return Plan()
    if status.get("seeded") and found is None:
        return Plan()
    wish = _digest(restore)
    if found is not None:
        return _followed(found, wish, seeded=bool(status.get("seeded")))
    chosen = choose(restore, backups)
    if isinstance(chosen, str):
        return Plan(("False", "NoBackup", chosen), again_s=AGAIN_S)
    said = chosen["status"]
    store = known.get(said["store"])
    if store is None:
        return Plan(("False", "NoStore", f"BackupStore {said['store']} of backup {meta.name(chosen)} does not exist"), again_s=AGAIN_S)
    first = names.member(meta.name(instance), 0)
    waiting: Object = next((each for each in status.get("members") or () if each["name"] == first), {})
    if waiting.get("state") != "empty":
        return Plan(("False", "Restoring", f"waits for {first} to take the data of backup {meta.name(chosen)}"))
    begun = ("False", "Restoring", f"backup {meta.name(chosen)} is being restored")
    return Plan(begun, carried.database(chosen), create=_job(instance, chosen, store, wish, program))


def choose(restore: Object, backups: Sequence[Object]) -> Object | str:
    """The backup to begin with, or a sentence on why there is none."""
    if name := restore.get("backup"):
        found = next((each for each in backups if meta.name(each) == name), None)
        if found is None:
            return f"backup {name} does not exist"
        return (
            found if _is_good(found) else f"backup {name} has not succeeded: {(found.get('status') or {}).get('message') or 'wait for it'}"
        )
    mine = [each for each in backups if labels.instance_of(each) == restore.get("instance") and _is_good(each)]
    before = [each for each in mine if _is_before(each, restore)]
    if before:
        # Another instance may have had the name before; the newest is of the last one.
        return max(before, key=lambda each: str(each["status"]["finishedAt"]))
    what = f"no backup of {restore.get('instance')} has succeeded"
    return f"{what} before {restore.get('time') or restore.get('gtid')}" if mine else what


def _is_before(backup: Object, restore: Object) -> bool:
    said = backup["status"]
    if restore.get("time"):
        return meta.parse_rfc3339(said["finishedAt"]) <= meta.parse_rfc3339(restore["time"])
    if restore.get("gtid"):
        return not _holds(said.get("gtid") or "", restore["gtid"])
    return True


def _holds(before: str, gtid: str) -> bool:
    """False for what is no transaction: the Job says so."""
    try:
        return len(position(gtid)) == 1 and contains(position(before), gtid)
    except ValueError:
        return False


def is_final(condition: Object) -> bool:
    """Whether the instance cannot come to be as it is."""
    return condition.get("status") == "False" and condition.get("reason") in FINAL


def _followed(found: tuple[Object, Sequence[Object]], wish: str, *, seeded: bool) -> Plan:
    job, pods = found
    if meta.annotations(job).get(WISH) != wish and not seeded:
        return Plan(("False", "Restoring", "what is to be restored has changed"), remove=job, again_s=1.0)
    result = jobs.result(job, pods)
    if result is None:
        why = jobs.trouble(pods)
        return Plan(("False", "Restoring", why or "data are being restored"))
    if result.succeeded or seeded:
        told = f"restored up to transaction {result.said.get('gtid') or '(none)'}"
        return Plan(("True", "Restored", told), remove=job if seeded else None)
    if result.reason in FINAL:
        return Plan(("False", result.reason, f"{result.message}; delete the instance, or change spec.restore"))
    return Plan(("False", "Restoring", f"{result.message}; it is tried again"), remove=job, again_s=AGAIN_S)


def _job(instance: Object, backup: Object, store: Object, wish: str, program: bytes) -> Object:
    restore, said = instance["spec"]["restore"], backup["status"]
    of = labels.instance_of(backup)
    env = {
        "LOCATION": said["location"],
        "ARCHIVE": labels.archive(of, said["instanceUid"]),
        "TIME": restore.get("time") or "",
        "GTID": restore.get("gtid") or "",
        "SEED": meta.uid(instance),
    }
    room = Room(instance["spec"].get("size") or "1Gi", instance["spec"].get("storageClass"))
    target = member(instance, names.member(meta.name(instance), 0))
    task = Task(TASK, said["image"], programs.name(meta.name(store), program), env, stores.access(store), target, room)
    made = jobs.job(instance, MYSQLS.api_version, MYSQLS.kind, meta.name(instance), task)
    made["metadata"]["annotations"] = {WISH: wish}
    return made


def _is_good(backup: Object) -> bool:
    return (backup.get("status") or {}).get("phase") == "Succeeded" and not meta.is_deleting(backup)


def _digest(restore: Object) -> str:
    return sha256(json.dumps(restore, sort_keys=True).encode()).hexdigest()[:16]
