"""When a schedule comes next, in a time zone: at each minute whose local date and time fit its fields.

So a time that daylight saving skips does not come that day, and one that it repeats comes twice.
Source: robfig/cron v3 (spec.go, constantdelay.go), which Kubernetes uses.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

MINUTE_S = 60
YEARS_AHEAD = 9
"""29 February is at most eight years away; what does not come within these years never comes."""


class Schedule(Protocol):
    def after(self, seconds: float, zone: tzinfo = UTC) -> float | None:
        """The first time later than `seconds` since the epoch; None when there is none (30 February)."""

    def latest(self, since: float, until: float, zone: tzinfo = UTC) -> float | None:
        """The last time in (since, until], however long that is; None when there is none."""


@dataclass(frozen=True, slots=True)
class Fields:
    """any_day, any_weekday: that field was written as `*`, so that both must fit; else either is enough where both are restricted."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def after(self, seconds: float, zone: tzinfo = UTC) -> float | None:
        if not (self.minutes and self.hours and self.months):
            return None
        at = (int(seconds // MINUTE_S) + 1) * MINUTE_S
        local = datetime.fromtimestamp(at, zone)
        last_year = local.year + YEARS_AHEAD
        while local.year < last_year:
            step_s = self._step_s(local)
            if step_s == 0:
                return float(at)
            at += step_s
            local = datetime.fromtimestamp(at, zone)
        return None

    def latest(self, since: float, until: float, zone: tzinfo = UTC) -> float | None:
        """Found by halving, since only the next time can be looked for."""
        found = self.after(since, zone)
        if found is None or found > until:
            return None
        low, high = found, until
        while high - low > MINUTE_S:
            middle = (low + high) / 2
            later = self.after(middle, zone)
            if later is None or later > until:
                high = middle
            else:
                low = found = later
        later = self.after(low, zone)
        return later if later is not None and later <= until else found

    def _step_s(self, local: datetime) -> int:
        """Seconds to the next minute that may fit; 0 when this one does."""
        if local.month not in self.months:
            return _until_day(local, (local.replace(day=1) + timedelta(days=32)).replace(day=1))
        if not self._is_day(local):
            return _until_day(local, local + timedelta(days=1))
        if local.hour not in self.hours:
            return _until_hour(local)
        return 0 if local.minute in self.minutes else MINUTE_S

    def _is_day(self, local: datetime) -> bool:
        day, weekday = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return day and weekday if self.any_day or self.any_weekday else day or weekday


def _until_day(local: datetime, day: datetime) -> int:
    """To the first minute of a day. A midnight that is skipped counts as the minute that comes in its place."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=local.tzinfo)
    return max(MINUTE_S, int(midnight.timestamp() - local.timestamp()))


def _until_hour(local: datetime) -> int:
    """To the next full hour, or by a minute where the clock is set within this one: some zones move by less than an hour."""
    step_s = (60 - local.minute) * MINUTE_S
    then = datetime.fromtimestamp(local.timestamp() + step_s, local.tzinfo)
    return step_s if then.minute == 0 else MINUTE_S


@dataclass(frozen=True, slots=True)
class Every:
    """Each so many whole seconds, counted from the time before."""

    interval_s: int

    def after(self, seconds: float, zone: tzinfo = UTC) -> float | None:
        return float(int(seconds // 1) + self.interval_s)

    def latest(self, since: float, until: float, zone: tzinfo = UTC) -> float | None:
        begin = int(since // 1)
        count = int((until - begin) // self.interval_s)
        return float(begin + count * self.interval_s) if count > 0 else None
