"""Why a CronJob starts no Jobs, or why its last one failed (pure).

Reasons are those of upstream's cronjob controller.
"""

from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from pilothouse.cli.output import age
from pilothouse.cli.why.finding import Finding, State
from pilothouse.cli.why.kinds import job as job_causes
from pilothouse.cli.why.notes import Note
from pilothouse.cli.why.pod_causes import refused
from pilothouse.cli.why.scene import Scene
from pilothouse.cli.why.sentence import Why, told
from pilothouse.model import meta
from pilothouse.model.cron.parse import ScheduleError, parse
from pilothouse.model.json import Object

_UNREADABLE = ("UnknownTimeZone", "UnparseableSchedule", "InvalidSchedule")
_MISSED = ("MissSchedule", "TooManyMissedTimes")
_STARTS = ("SuccessfulCreate", "FailedCreate", "JobAlreadyActive", *_MISSED, *_UNREADABLE)


def explain(scene: Scene) -> Why:
    cron_job = scene.workload or {}
    newest = _newest(scene)
    found = _suspended(cron_job) or _not_started(scene, cron_job)
    if found is not None:
        return told(f"{scene.subject} {'is suspended' if found.state == State.PAUSED else 'starts no jobs'}", found)
    if newest is None:
        return Why(f"{scene.subject} has no runs yet; {_next(cron_job, scene.now)}", state=State.RUNNING)
    own = replace(scene, kind="Job", name=meta.name(newest), workload=newest, pods=_pods_of(scene, newest))
    if trouble := job_causes.finding(own):
        failed = meta.is_true(newest, "Failed")
        effect = f"job {meta.name(newest)}, its last run, {'failed' if failed else 'does not get on'}"
        anew = f"correct the cronjob's template; {_next(cron_job, scene.now)}"
        trouble = replace(trouble, next_step=trouble.next_step.replace(job_causes.AGAIN, anew))
        return told(f"{scene.subject} {'failed' if failed else 'waits'}", replace(trouble, chain=(*trouble.chain, effect)))
    return Why(f"{scene.subject} {_last(newest, scene.now)}; {_next(cron_job, scene.now)}", state=State.RUNNING)


def _newest(scene: Scene) -> Object | None:
    return max(scene.jobs, key=lambda each: (each["metadata"].get("creationTimestamp") or "", meta.name(each)), default=None)


def _pods_of(scene: Scene, job: Object) -> list[Object]:
    return [pod for pod in scene.pods if (meta.controller_of(pod) or {}).get("uid") == meta.uid(job)]


def _suspended(cron_job: Object) -> Finding | None:
    if not cron_job["spec"].get("suspend"):
        return None
    patch = f'`ph kubectl patch cronjob {meta.name(cron_job)} -n {meta.namespace(cron_job)} -p \'{{"spec":{{"suspend":false}}}}\'`'
    return Finding(("its spec says suspend",), f"let it go on with {patch}", State.PAUSED)


def _not_started(scene: Scene, cron_job: Object) -> Finding | None:
    said = [note for note in scene.notes_of(cron_job) if note.reason in _STARTS]
    if not said or said[-1].reason == "SuccessfulCreate":
        return None
    return _of_start(said[-1], cron_job)


def _of_start(note: Note, cron_job: Object) -> Finding:
    edit = f"`ph kubectl edit cronjob {meta.name(cron_job)} -n {meta.namespace(cron_job)}`"
    message = note.message.rstrip(". ")
    if note.reason == "FailedCreate":
        return refused(meta.name(cron_job), message.removeprefix("Error creating job: "), "cronjob")
    if note.reason == "JobAlreadyActive":
        step = "let more than one run with concurrencyPolicy: Allow, take the old one's place with Replace, or make the runs shorter"
        return Finding(("its last job still runs, and its concurrencyPolicy is Forbid",), step)
    if note.reason in _MISSED:
        limit = cron_job["spec"].get("startingDeadlineSeconds")
        window = f" (startingDeadlineSeconds: {limit})" if limit is not None else ""
        return Finding((f"{message}{window}",), f"allow more time with {edit}, or run it now: {_run_now(cron_job)}")
    return Finding((message,), f"correct its schedule or time zone with {edit}")


def _run_now(cron_job: Object) -> str:
    name = meta.name(cron_job)
    return f"`ph kubectl create job {name[:40]}-now --from=cronjob/{name} -n {meta.namespace(cron_job)}`"


def _last(job: Object, now: float) -> str:
    ago = age(now - meta.parse_rfc3339(job["metadata"]["creationTimestamp"]))
    if meta.is_true(job, "Complete"):
        return f"ran last {ago} ago, with success"
    return f"runs now, since {ago} (job {meta.name(job)})"


def _next(cron_job: Object, now: float) -> str:
    zone = _zone(cron_job["spec"].get("timeZone"))
    try:
        at = parse(cron_job["spec"]["schedule"]).after(now, zone) if zone is not None else None
    except ScheduleError:
        at = None
    if at is None or zone is None:
        return "its schedule names no time to come"
    return f"the next run is in {age(at - now)} ({datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M} {zone})"


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):
        return None
