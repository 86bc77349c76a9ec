"""Backups that a schedule wants (pure).

One at a time: while the last one works, a time that comes is skipped. Of times that were missed, while the platform was down or the
instance suspended, only the last is made up for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.cron import utc
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.backups import labels
from pilothouse.platform.databases.pattern.types import BackupPolicy
from pilothouse.platform.databases.resource import BACKUPS


@dataclass(frozen=True, slots=True)
class Agenda:
    """due: the Backup to make now. again_s: when the next time comes."""

    due: Object | None = None
    again_s: float | None = None


def agenda(instance: Object, kind: str, policy: BackupPolicy, backups: Sequence[Object], now_s: float) -> Agenda:
    """backups: of the instance. None is due by a schedule that cannot be read: the kind's own check of its instances says so."""
    if not policy.schedule:
        return Agenda()
    try:
        schedule = utc.parse(policy.schedule)
    except utc.ScheduleError:
        return Agenda()
    times = [meta.annotations(each).get(labels.SCHEDULED, "") for each in backups]
    since = meta.parse_rfc3339(max([*times, instance["metadata"]["creationTimestamp"]]))
    at, coming = schedule.latest(since, now_s), schedule.after(now_s)
    again_s = max(1.0, coming - now_s) if coming is not None else None
    works = any((each.get("status") or {}).get("phase", "Pending") in ("Pending", "Running") for each in backups)
    if at is None or works or instance["spec"].get("suspended"):
        return Agenda(again_s=again_s)
    return Agenda(_backup(instance, kind, policy, at), again_s)


def _backup(instance: Object, kind: str, policy: BackupPolicy, at: float) -> Object:
    """The same time is the same backup."""
    name = meta.name(instance)
    moment = meta.rfc3339(at)
    spec: Object = {"service": {"kind": kind, "name": name}, "method": policy.method, "verify": policy.verify}
    return {
        "apiVersion": BACKUPS.api_version,
        "kind": BACKUPS.kind,
        "metadata": {
            "name": f"{name}-{moment[:16].replace('-', '').replace(':', '').replace('T', '-').lower()}",
            "namespace": meta.namespace(instance),
            "labels": {labels.INSTANCE: name},
            "annotations": {labels.SCHEDULED: moment},
        },
        "spec": spec | ({"store": policy.store} if policy.store else {}),
    }
