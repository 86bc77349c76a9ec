"""What is to be done for a Backup, by comparing what it is with what there is (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.backups import jobs, labels, proofs, stores
from pilothouse.platform.databases.pattern.backups.jobs import Result, Room, Task
from pilothouse.platform.databases.pattern.backups.source import Hindrance, Source
from pilothouse.platform.databases.resource import BACKUPS

BACK_UP, VERIFY, FORGET = "backup", "verify", "forget"
WAIT_S = 5.0
AGAIN_S = 60.0
"""Before a store is asked once more to forget."""


@dataclass(frozen=True, slots=True)
class Seen:
    """store: the one that the backup names or has; None when there is none. program: the ConfigMap for its Jobs.

    others: backups of the same instance, this one among them. jobs: by task, with their pods. goes: whether the namespace is deleted.
    """

    instance: Object | None
    store: Object | None
    program: str
    others: Sequence[Object]
    jobs: Mapping[str, tuple[Object, Sequence[Object]]]
    goes: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """create: objects to make, those that are there already aside. remove: Jobs whose end is in the status, which is written first."""

    finalizers: list[str] | None = None
    create: list[Object] = field(default_factory=list)
    remove: list[Object] = field(default_factory=list)
    status: Object = field(default_factory=dict)
    again_s: float | None = None


def plan(backup: Object, seen: Seen, source: Source, now_s: float) -> Plan:
    if meta.is_deleting(backup):
        return _forget(backup, seen)
    if labels.FINALIZER not in meta.finalizers(backup):
        return Plan(finalizers=[*meta.finalizers(backup), labels.FINALIZER])
    phase = (backup.get("status") or {}).get("phase") or "Pending"
    if phase == "Running":
        return _running(backup, seen, now_s)
    if phase == "Pending":
        return _pending(backup, seen, source, now_s)
    return _prove(backup, seen, now_s) if phase == "Succeeded" else Plan(remove=_all(seen))


def store_of(backup: Object, instance: Object | None) -> str:
    """The name of the store that it lies in, or is to."""
    policy = ((instance or {}).get("spec") or {}).get("backup") or {}
    return str((backup.get("status") or {}).get("store") or backup["spec"].get("store") or policy.get("store") or labels.DEFAULT_STORE)


def _pending(backup: Object, seen: Seen, source: Source, now_s: float) -> Plan:
    instance, store = seen.instance, seen.store
    if instance is None:
        said = f"{labels.kind_of(backup)} {labels.instance_of(backup)} does not exist"
        return Plan(status=_ended(backup, "Failed", "NoInstance", said, now_s))
    name = store_of(backup, instance)
    if store is None and name == labels.DEFAULT_STORE:
        return Plan(create=[stores.default(meta.namespace(backup))], again_s=WAIT_S)
    if store is None:
        return _waits(backup, "NoStore", f"BackupStore {name} does not exist: make it", now_s)
    if wrong := stores.faults(store):
        return _waits(backup, "InvalidStore", f"BackupStore {name}: {wrong[0]}", now_s)
    if lost := stores.lost(store):
        return _waits(backup, stores.KEY_LOST, lost, now_s)
    if earlier := _earlier(backup, seen.others):
        return _waits(backup, "Queued", f"waits for backup {earlier}: one of an instance is taken at a time", now_s)
    target, image = source.target(instance), source.image(instance)
    if isinstance(target, Hindrance):
        return _waits(backup, target.reason, target.message, now_s)
    if not image:
        return _waits(backup, "NoImage", "the server's image is not there yet", now_s)
    uid = meta.uid(instance)
    place = labels.location(meta.name(instance), uid, backup)
    env = {"LOCATION": place, "METHOD": backup["spec"].get("method") or "physical", "INSTANCE": meta.name(instance), "INSTANCE_UID": uid}
    room = Room(source.size(instance), instance["spec"].get("storageClass"))
    task = Task(BACK_UP, image, seen.program, env, stores.access(store), target, room)
    status = {
        "phase": "Running",
        "reason": "",
        "message": "",
        "store": name,
        "instanceUid": uid,
        "source": source.carried(instance),
        "location": place,
        "member": target.member,
        "image": image,
        "startedAt": meta.rfc3339(now_s),
        "scheduled": labels.SCHEDULED in meta.annotations(backup),
        "conditions": _complete(backup, "False", "Running", "", now_s),
    }
    return Plan(create=[_job(backup, task)], status=status)


def _running(backup: Object, seen: Seen, now_s: float) -> Plan:
    found = seen.jobs.get(BACK_UP)
    if found is None:
        # Its Job was never made, or somebody has removed it: what it left in the store is removed by the next.
        return Plan(status={"phase": "Pending", "conditions": _complete(backup, "False", "Interrupted", "its Job is not there", now_s)})
    result = jobs.result(*found)
    if result is None:
        return Plan(status={"conditions": _complete(backup, "False", "Running", jobs.trouble(found[1]), now_s)})
    return Plan(status=_taken(backup, result), remove=[found[0]])


def _taken(backup: Object, result: Result) -> Object:
    said = result.said
    common = {"finishedAt": result.at, "seconds": result.seconds}
    if not result.succeeded:
        return _ended(backup, "Failed", result.reason or "JobFailed", result.message, meta.parse_rfc3339(result.at)) | common
    told = {name: said.get(name, usual) for name, usual in _TOLD.items()}
    return _ended(backup, "Succeeded", "", "", meta.parse_rfc3339(result.at)) | common | told


_TOLD = {"gtid": "", "version": "", "bytes": 0, "digest": "", "uncompressedBytes": 0}


def _prove(backup: Object, seen: Seen, now_s: float) -> Plan:
    found = seen.jobs.get(VERIFY)
    if found is not None:
        result = jobs.result(*found)
        return Plan() if result is None else Plan(status=proofs.proven(backup, result), remove=[found[0]])
    newest = proofs.newest(seen.others)
    is_newest = newest is not None and meta.uid(newest) == meta.uid(backup)
    if not proofs.is_due(backup, is_newest, now_s):
        return Plan(remove=_all(seen), again_s=proofs.again_s(backup, is_newest, now_s))
    if seen.store is None:
        return _unproven(backup, "NoStore", f"BackupStore {store_of(backup, seen.instance)} does not exist: make it as it was", now_s)
    if lost := stores.lost(seen.store):
        return _unproven(backup, stores.KEY_LOST, lost, now_s)
    said = backup["status"]
    room = Room(str(max(1 << 30, 2 * int(said.get("uncompressedBytes") or 0))))
    task = Task(VERIFY, said["image"], seen.program, {"LOCATION": said["location"]}, stores.access(seen.store), None, room)
    return Plan(create=[_job(backup, task)], remove=[each for name, (each, _) in seen.jobs.items() if name != VERIFY])


def _forget(backup: Object, seen: Seen) -> Plan:
    """A backup whose store or namespace has gone, or that has nothing in a store, goes at once."""
    rest = [each for each in meta.finalizers(backup) if each != labels.FINALIZER]
    status = backup.get("status") or {}
    if labels.FINALIZER not in meta.finalizers(backup):
        return Plan()
    if not status.get("location") or seen.store is None or seen.goes:
        return Plan(finalizers=rest)
    found = seen.jobs.get(FORGET)
    if found is None:
        remaining = [each for each in seen.others if meta.uid(each) != meta.uid(backup) and not meta.is_deleting(each)]
        env = {"LOCATION": status["location"], "NEEDED": _needed(backup, remaining, seen), "ARCHIVE": _archive(backup)}
        busy = [each for name, (each, _) in seen.jobs.items()]
        return Plan(create=[_job(backup, Task(FORGET, status["image"], seen.program, env, stores.access(seen.store)))], remove=busy)
    result = jobs.result(*found)
    if result is None:
        return Plan()
    if result.succeeded:
        return Plan(finalizers=rest)
    message = f"it could not be removed from its store: {result.message}; it is tried again"
    return Plan(status={"reason": result.reason, "message": message}, remove=[found[0]], again_s=AGAIN_S)


def _needed(backup: Object, remaining: Sequence[Object], seen: Seen) -> str:
    """Where the archive must begin: see the program. With the last backup of an instance that has gone it goes too."""
    mine = [each["status"] for each in remaining if (each.get("status") or {}).get("instanceUid") == backup["status"].get("instanceUid")]
    good = [each for each in mine if each.get("phase") == "Succeeded" and each.get("store") == backup["status"].get("store")]
    if good:
        return str(min(good, key=lambda each: each.get("startedAt") or "").get("gtid") or "")
    is_alive = seen.instance is not None and meta.uid(seen.instance) == backup["status"].get("instanceUid")
    return "" if is_alive else "all"


def _archive(backup: Object) -> str:
    return labels.archive(labels.instance_of(backup), str(backup["status"].get("instanceUid")))


def _earlier(backup: Object, others: Sequence[Object]) -> str:
    """The name of one of the same instance that is before it in the line, or at work."""
    for each in sorted(others, key=_line):
        phase = (each.get("status") or {}).get("phase") or "Pending"
        if meta.uid(each) == meta.uid(backup):
            continue
        if phase == "Running" or (phase == "Pending" and not meta.is_deleting(each) and _line(each) < _line(backup)):
            return meta.name(each)
    return ""


def _line(backup: Object) -> tuple[str, str]:
    return backup["metadata"].get("creationTimestamp") or "", meta.name(backup)


def _job(backup: Object, task: Task) -> Object:
    return jobs.job(backup, BACKUPS.api_version, BACKUPS.kind, labels.instance_of(backup), task)


def _all(seen: Seen) -> list[Object]:
    return [job for job, _ in seen.jobs.values() if not meta.is_deleting(job)]


def _waits(backup: Object, reason: str, message: str, now_s: float) -> Plan:
    conditions = _complete(backup, "False", reason, message, now_s)
    return Plan(status={"phase": "Pending", "reason": reason, "message": message, "conditions": conditions}, again_s=WAIT_S)


def _unproven(backup: Object, reason: str, message: str, now_s: float) -> Plan:
    new = {"type": "Verified", "status": "Unknown", "reason": reason, "message": message, "observedGeneration": meta.generation(backup)}
    found = meta.with_condition((backup.get("status") or {}).get("conditions"), new, meta.rfc3339(now_s))
    return Plan(status={"conditions": found}, again_s=AGAIN_S)


def _ended(backup: Object, phase: str, reason: str, message: str, now_s: float) -> Object:
    well = phase == "Succeeded"
    conditions = _complete(backup, "True" if well else "False", "Taken" if well else "Failed", message, now_s)
    return {"phase": phase, "reason": reason, "message": message, "finishedAt": meta.rfc3339(now_s), "conditions": conditions}


def _complete(backup: Object, status: str, reason: str, message: str, now_s: float) -> list[Object]:
    new = {"type": "Complete", "status": status, "reason": reason, "message": message, "observedGeneration": meta.generation(backup)}
    return meta.with_condition((backup.get("status") or {}).get("conditions"), new, meta.rfc3339(now_s))
