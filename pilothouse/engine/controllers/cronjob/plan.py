"""What a CronJob's Jobs make of its status, and what is to be done next (pure).

Source: Kubernetes 1.36, pkg/controller/cronjob/cronjob_controllerv2.go, utils.go (getJobFromTemplate2).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from pilothouse.engine.controllers.cronjob import facts
from pilothouse.engine.controllers.cronjob.timetable import Timetable
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRONJOBS, JOBS

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_LIMITS = (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit"))
_FORBIDDEN = "Not starting job because prior execution is running and concurrency policy is Forbid"


class Remark(NamedTuple):
    """An Event to be told."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Seen:
    """status: with what the Jobs say. unknown: entries of `active` for which no Job is known. remarks: the news among it."""

    status: Object
    unknown: list[Object] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Start:
    """at: the time for which a Job is to be made; None for none now. replaced: references to Jobs that go first."""

    at: float | None = None
    replaced: list[Object] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


def observe(cron_job: Object, jobs: Sequence[Object], leaving: Collection[str] = ()) -> Seen:
    """jobs: all that the CronJob controls. leaving: uids of those that are being deleted, of which none is a surprise."""
    status = dict(facts.status(cron_job))
    by_uid = {meta.uid(job): job for job in jobs}
    listed = {each.get("uid") for each in facts.active(status)}
    strange = [job for job in jobs if facts.outcome(job) is None and meta.uid(job) not in {*listed, *leaving}]
    ended = [job for job in jobs if facts.outcome(job) is not None and meta.uid(job) in listed]
    remarks = [_remark(job) for job in (*strange, *ended)]
    known = [each for each in facts.active(status) if each.get("uid") in by_uid]
    still = [each for each in known if facts.outcome(by_uid[each["uid"]]) is None]
    unknown = [each for each in facts.active(status) if each.get("uid") not in by_uid]
    succeeded = [status.get("lastSuccessfulTime"), *(facts.completed_at(job) for job in jobs)]
    if last := max((each for each in succeeded if each), key=meta.parse_rfc3339, default=None):
        status["lastSuccessfulTime"] = last
    return Seen(with_active(status, [*still, *unknown]), unknown, remarks)


def _remark(job: Object) -> Remark:
    """Of a Job that runs and is not listed, or is listed and has finished."""
    name, outcome = meta.name(job), facts.outcome(job)
    if outcome is None:
        return Remark("Warning", "UnexpectedJob", f"Saw a job that the controller did not create or forgot: {name}")
    return Remark("Normal", "SawCompletedJob", f"Saw completed job: {name}, condition: {outcome}")


def with_active(status: Object, active: list[Object]) -> Object:
    """An empty list is left out."""
    kept = {name: value for name, value in status.items() if name != "active"}
    return kept | ({"active": active} if active else {})


def without(status: Object, gone: Iterable[Object]) -> Object:
    """gone: references, or Jobs."""
    uids = {each.get("uid") or (each.get("metadata") or {}).get("uid") for each in gone}
    return with_active(status, [each for each in facts.active(status) if each.get("uid") not in uids])


def outlived(cron_job: Object, jobs: Iterable[Object]) -> list[Object]:
    """Finished Jobs beyond the limits, the oldest of each outcome."""
    found: list[Object] = []
    for outcome, name in _LIMITS:
        limit = facts.spec(cron_job).get(name)
        ended = sorted((job for job in jobs if facts.outcome(job) == outcome), key=_start)
        found += ended[: max(0, len(ended) - limit)] if limit is not None else []
    return found


def _start(job: Object) -> tuple[Any, ...]:
    """Those that never started come last."""
    started = (job.get("status") or {}).get("startTime")
    return (started is None, meta.parse_rfc3339(started) if started else 0.0, meta.name(job))


def start(cron_job: Object, status: Object, timetable: Timetable, since: float, now: float) -> Start:
    """Whether a Job is to be made now. since: from when on times count."""
    at = timetable.due(since, now)
    if at is None:
        return Start()
    remarks = []
    if timetable.are_many_missed(since, now):
        words = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        remarks.append(Remark("Warning", "TooManyMissedTimes", words))
    deadline_s, active = facts.starting_deadline_s(cron_job), facts.active(status)
    if deadline_s is not None and at + deadline_s < now:
        return Start(remarks=[*remarks, Remark("Warning", "MissSchedule", f"Missed scheduled time to start a job: {_rfc1123(at)}")])
    if job_name(cron_job, at) in {each.get("name") for each in active} or status.get("lastScheduleTime") == meta.rfc3339(at):
        return Start(remarks=remarks)
    if facts.policy(cron_job) == "Forbid" and active:
        return Start(remarks=[*remarks, Remark("Normal", "JobAlreadyActive", _FORBIDDEN)])
    return Start(at, active if facts.policy(cron_job) == "Replace" else [], remarks)


def _rfc1123(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")


def job_name(cron_job: Object, at: float) -> str:
    """Minutes since the epoch: the same time is the same Job, whoever makes it."""
    return f"{meta.name(cron_job)}-{int(at // 60)}"


def job(cron_job: Object, at: float, timetable: Timetable) -> Object:
    """The Job that a time is due for."""
    template = facts.spec(cron_job).get("jobTemplate") or {}
    given = template.get("metadata") or {}
    when = datetime.fromtimestamp(at, timetable.zone).isoformat().replace("+00:00", "Z")
    metadata: Object = {
        "name": job_name(cron_job, at),
        "namespace": meta.namespace(cron_job),
        "annotations": (given.get("annotations") or {}) | {SCHEDULED_AT: when},
        "ownerReferences": [meta.owner_reference(cron_job, CRONJOBS.api_version, CRONJOBS.kind)],
    }
    if given.get("labels"):
        metadata["labels"] = given["labels"]
    return {"metadata": metadata, "spec": template.get("spec") or {}}


def started(status: Object, job: Object, at: float) -> Object:
    """The status once a Job was made."""
    reference = {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "name": meta.name(job),
        "namespace": meta.namespace(job),
        "uid": meta.uid(job),
        "resourceVersion": meta.resource_version(job),
    }
    return with_active(status, [*facts.active(status), reference]) | {"lastScheduleTime": meta.rfc3339(at)}
