"""What is read from a CronJob and its Jobs."""

from pilothouse.engine.controllers.job.facts import finished
from pilothouse.engine.controllers.sections import spec as spec
from pilothouse.engine.controllers.sections import status as status
from pilothouse.model import meta
from pilothouse.model.json import Object


def active(status: Object) -> list[Object]:
    """References to Jobs that were running when the status was written."""
    found: list[Object] = status.get("active") or []
    return found


def last_scheduled(cron_job: Object) -> float:
    """The last time that was seen to; that of the CronJob's own making, when there was none yet."""
    return meta.parse_rfc3339(status(cron_job).get("lastScheduleTime") or cron_job["metadata"]["creationTimestamp"])


def starting_deadline_s(cron_job: Object) -> int | None:
    found: int | None = spec(cron_job).get("startingDeadlineSeconds")
    return found


def is_suspended(cron_job: Object) -> bool:
    return bool(spec(cron_job).get("suspend"))


def policy(cron_job: Object) -> str:
    found: str = spec(cron_job).get("concurrencyPolicy") or "Allow"
    return found


def outcome(job: Object) -> str | None:
    """ "Complete" or "Failed"; None while the Job is not finished."""
    condition = finished(job)
    return None if condition is None else str(condition["type"])


def completed_at(job: Object) -> str | None:
    """RFC 3339, of a Job that has succeeded."""
    found: str | None = (job.get("status") or {}).get("completionTime")
    return found if outcome(job) == "Complete" else None
