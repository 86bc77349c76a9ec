"""What the platform knows of instances and their backups, on its own /metrics: what no member can tell of itself.

Read from the caches when somebody asks, so nothing is kept of an instance that has gone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from pilothouse.aio.meters import Lines, labelled, shown
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.resource import MYSQLS

NAMES = {
    "pilothouse_mysql_ready": "1 where an instance serves.",
    "pilothouse_mysql_durable": "1 where each acknowledged transaction of an instance is on two disks.",
    "pilothouse_mysql_member_errant": "1 for a replica that has transactions which its primary has not.",
    "pilothouse_mysql_backup_scheduled": "1 where backups of an instance are taken by a schedule.",
    "pilothouse_mysql_backup_verified_wanted": "1 where each of these is to be restored and compared.",
    "pilothouse_mysql_backup_last_success_timestamp_seconds": "When the newest backup that succeeded was finished.",
    "pilothouse_mysql_backup_last_verified_timestamp_seconds": "When a backup was last restored and found to be the same.",
    "pilothouse_mysql_backup_last_failed": "1 where the newest backup that has ended has failed, or is not what was backed up.",
    "pilothouse_mysql_archived_until_timestamp_seconds": "Up to when the archive of an instance can restore.",
    "pilothouse_mysql_archive_broken": "1 where a part of an instance's archive is lost, and no backup has been taken since.",
}
"""Metrics and what they mean; all of them are gauges."""
LABELS = ("namespace", "mysql", "member")
"""Of all but those of members: the first two."""

Value = tuple[str, tuple[str, ...], float]
"""Name, values of the labels, and the figure."""
Found = tuple[Sequence[Object], Sequence[Object]]
"""MySQL objects and Backups."""


def _nothing() -> Found:
    return (), ()


_source: Callable[[], Found] = _nothing


def read(source: Callable[[], Found]) -> None:
    """From now on these are what is shown."""
    global _source
    _source = source


def figures(instances: Iterable[Object], backups: Iterable[Object]) -> Iterator[Value]:
    """Pure."""
    taken = {key: list(found) for key, found in groupby(sorted(backups, key=_instance_key), key=_instance_key)}
    for instance in instances:
        labels = (meta.namespace(instance), meta.name(instance))
        yield from ((name, (*labels, *more), value) for name, more, value in _of_instance(instance))
        yield from ((name, labels, value) for name, value in _of_backups(instance, taken.get(meta.key(instance), [])))


def _of_instance(instance: Object) -> Iterator[Value]:
    status: Object = instance.get("status") or {}
    if not instance["spec"].get("suspended"):
        yield "pilothouse_mysql_ready", (), _is_true(status, "Ready")
    if int(instance["spec"].get("replicas") or 1) > 1:
        yield "pilothouse_mysql_durable", (), float(bool(status.get("durable")))
    for member in status.get("members") or ():
        yield "pilothouse_mysql_member_errant", (str(member["name"]),), float(bool(member.get("errant")))
    if until := status.get("archivedUntil"):
        yield "pilothouse_mysql_archived_until_timestamp_seconds", (), meta.parse_rfc3339(until)
        archiving: Object = meta.condition(instance, "Archiving") or {}
        yield "pilothouse_mysql_archive_broken", (), float(archiving.get("reason") in ("Gap", "Corrupted"))


def _of_backups(instance: Object, backups: Sequence[Object]) -> Iterator[tuple[str, float]]:
    policy = instance["spec"].get("backup") or {}
    yield "pilothouse_mysql_backup_scheduled", float(bool(policy.get("schedule")))
    yield "pilothouse_mysql_backup_verified_wanted", float(bool(policy.get("schedule")) and bool(policy.get("verify", True)))
    ended = sorted(
        (found for each in backups if (found := each.get("status") or {}).get("finishedAt")), key=lambda found: found["finishedAt"]
    )
    good = [found for found in ended if found.get("phase") == "Succeeded"]
    if good:
        yield "pilothouse_mysql_backup_last_success_timestamp_seconds", meta.parse_rfc3339(good[-1]["finishedAt"])
    verified = [str(at) for found in good if (at := (found.get("verified") or {}).get("at"))]
    if verified:
        yield "pilothouse_mysql_backup_last_verified_timestamp_seconds", meta.parse_rfc3339(max(verified))
    if ended:
        yield "pilothouse_mysql_backup_last_failed", float(ended[-1].get("phase") == "Failed" or _is_false(ended[-1], "Verified"))


def _instance_key(backup: Object) -> str:
    service = backup["spec"]["service"]
    return f"{meta.namespace(backup)}/{service['name']}" if service.get("kind", MYSQLS.kind) == MYSQLS.kind else ""


def _is_true(status: Object, condition: str) -> float:
    return float(any(each["type"] == condition and each["status"] == "True" for each in status.get("conditions") or ()))


def _is_false(status: Object, condition: str) -> bool:
    return any(each["type"] == condition and each["status"] == "False" for each in status.get("conditions") or ())


def _lines() -> list[str]:
    found: dict[str, list[str]] = {name: [f"# HELP {name} {help}", f"# TYPE {name} gauge"] for name, help in NAMES.items()}
    for name, values, value in figures(*_source()):
        found[name].append(f"{name}{labelled(LABELS[: len(values)], values)} {shown(value)}")
    return [line for lines in found.values() for line in lines]


METERS = Lines("pilothouse_mysql", _lines)
