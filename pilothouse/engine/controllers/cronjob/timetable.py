"""Which time of a CronJob's schedule is due, and when the next one comes (pure).

Of times that were missed only the last is made up for, however many there were: finding it takes some halvings, no walk.
Source: Kubernetes 1.36, pkg/controller/cronjob/utils.go (mostRecentScheduleTime, nextScheduleTimeDuration).
"""

from dataclasses import dataclass
from datetime import tzinfo

from pilothouse.engine.controllers.cronjob import facts
from pilothouse.model import zones
from pilothouse.model.cron.parse import ScheduleError, parse
from pilothouse.model.cron.schedule import Schedule
from pilothouse.model.json import Object

MANY = 100


class Unusable(ValueError):
    """No times come of this schedule or zone. reason: of the event that says so, with str(error)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Timetable:
    schedule: Schedule
    zone: tzinfo

    def due(self, since: float, now: float) -> float | None:
        """The last time that has come since then."""
        return self.schedule.latest(since, now, self.zone)

    def wait_s(self, now: float) -> float | None:
        """Until the next time."""
        coming = self.schedule.after(now, self.zone)
        return None if coming is None else coming - now

    def are_many_missed(self, since: float, now: float) -> bool:
        """More than MANY times, were all as far apart as the first two: an estimate, as upstream's."""
        first = self.schedule.after(since, self.zone)
        second = None if first is None else self.schedule.after(first, self.zone)
        if first is None or second is None or second > now:
            return False
        return (now - first) // (second - first) + 1 > MANY


def of(cron_job: Object) -> Timetable:
    """Raises Unusable."""
    name, text = facts.spec(cron_job).get("timeZone"), facts.spec(cron_job).get("schedule") or ""
    try:
        zone = zones.find(name)
    except zones.UnknownZone as error:
        raise Unusable("UnknownTimeZone", f'invalid timeZone: "{name}": {error}') from error
    try:
        schedule = parse(text)
    except ScheduleError as error:
        raise Unusable("UnparseableSchedule", f'unparseable schedule: "{text}" : {error}') from error
    return Timetable(schedule, zone)


def since(cron_job: Object, changed_at: float | None, now: float) -> float:
    """From when on times count: after the last one that was seen to, and within the starting deadline.

    changed_at: when schedule or zone were changed. What the new ones would have had before is no miss.
    """
    start = facts.last_scheduled(cron_job)
    if changed_at is not None:
        start = max(start, changed_at)
    deadline_s = facts.starting_deadline_s(cron_job)
    return start if deadline_s is None else max(start, now - deadline_s)
