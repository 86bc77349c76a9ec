"""Scheduled processes: which Jobs are due, which old ones may go, and when to look again (pure).

One run of a process at a time, as CronJob's `Forbid`: a time that comes while the last run still works is skipped. Of times
that were missed, while the platform was down, only the last is made up for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.cron import utc as cron
from pilothouse.model.json import Object
from pilothouse.platform.apps import processes, workloads
from pilothouse.platform.apps.objects import Surroundings, within
from pilothouse.platform.apps.processes import Process
from pilothouse.platform.apps.workloads import Running

KEPT_JOBS = 3
"""Ended Jobs of a process that stay, for their logs."""


@dataclass(frozen=True, slots=True)
class Agenda:
    """due: Jobs to make. last: by process, the time up to which it has been looked after (RFC 3339).

    again_s: in how many seconds the next time comes; None when nothing is scheduled.
    """

    due: list[Object] = field(default_factory=list)
    last: dict[str, str] = field(default_factory=dict)
    again_s: float | None = None


def agenda(app: Object, running: Running, jobs: Sequence[Object], around: Surroundings, now_s: float) -> Agenda:
    """app: with the spec of the state that runs. Its status holds the times that were looked after before."""
    known = {each["name"]: each.get("lastScheduledAt") for each in (app.get("status") or {}).get("processes") or ()}
    due: list[Object] = []
    last: dict[str, str] = {}
    nexts: list[float] = []
    for process in processes.scheduled(app):
        schedule = cron.parse(process.schedule)
        since = meta.parse_rfc3339(known[process.name]) if known.get(process.name) else now_s
        at = schedule.latest(since, now_s)
        last[process.name] = meta.rfc3339(at if at is not None else since)
        if at is not None and not _is_running(process, jobs):
            due.append(workloads.job(app, process, running, around, name=_job_name(app, process, at)))
        coming = schedule.after(now_s)
        nexts += [coming] if coming is not None else []
    return Agenda(due, last, max(1.0, min(nexts) - now_s) if nexts else None)


def _job_name(app: Object, process: Process, at: float) -> str:
    """Minutes since the epoch, as CronJob's Jobs: the same time is the same Job."""
    return f"{within(f'{meta.name(app)}-{process.name}', 52)}-{int(at // 60)}"


def runs_of(process: str, jobs: Sequence[Object]) -> list[Object]:
    """Oldest first."""
    found = [job for job in jobs if meta.labels(job).get(workloads.PROCESS) == process]
    return sorted(found, key=lambda job: job["metadata"].get("creationTimestamp") or "")


def has_ended(job: Object) -> bool:
    return meta.is_true(job, "Complete") or meta.is_true(job, "Failed")


def _is_running(process: Process, jobs: Sequence[Object]) -> bool:
    return any(not has_ended(job) for job in runs_of(process.name, jobs))


def outlived(app: Object, release: str, jobs: Sequence[Object]) -> list[Object]:
    """Jobs that may go: releases but the current one, all but the last runs of each scheduled process, runs of others."""
    keeping: Mapping[str, int] = {process.name: KEPT_JOBS for process in processes.scheduled(app)}
    gone: list[Object] = []
    for process in sorted({meta.labels(job).get(workloads.PROCESS, "") for job in jobs}):
        runs = [job for job in runs_of(process, jobs) if has_ended(job) or process not in keeping]
        if process == processes.RELEASE:
            gone += [job for job in runs if meta.name(job) != release]
        else:
            gone += runs[: max(0, len(runs) - keeping.get(process, 0))]
    return [job for job in gone if not meta.is_deleting(job)]
