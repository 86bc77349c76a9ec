"""Times written as cron writes them: five fields (minute, hour, day of the month, month, day of the week), in UTC (pure).

Source: crontab(5), with the macros of Kubernetes' CronJob (@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pilothouse.model.digits import natural

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
_YEARS_AHEAD = 9
"""29 February is at most eight years away."""


class ScheduleError(ValueError):
    """A sentence that names the field that is wrong."""


@dataclass(frozen=True, slots=True)
class Schedule:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def after(self, seconds: float) -> float | None:
        """The first time later than `seconds` since the epoch; None when there is none (30 February)."""
        at = datetime.fromtimestamp(seconds, UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        last_year = at.year + _YEARS_AHEAD
        while at.year < last_year:
            if at.month not in self.months:
                at = (at.replace(day=1, hour=0, minute=0) + timedelta(days=32)).replace(day=1)
            elif not self._is_day(at):
                at = at.replace(hour=0, minute=0) + timedelta(days=1)
            elif at.hour not in self.hours:
                at = at.replace(minute=0) + timedelta(hours=1)
            elif at.minute not in self.minutes:
                at += timedelta(minutes=1)
            else:
                return at.timestamp()
        return None

    def _is_day(self, at: datetime) -> bool:
        """Where both days are restricted, either is enough."""
        day, weekday = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        return day and weekday if self.any_day or self.any_weekday else day or weekday


def parse(text: str) -> Schedule:
    words = MACROS.get(text.strip().lower(), text).split()
    if len(words) != len(_FIELDS):
        raise ScheduleError(f"{text!r} is no schedule: write five fields, such as `30 3 * * *` for every day at 03:30 UTC")
    sets = [_values(word, *field) for word, field in zip(words, _FIELDS, strict=True)]
    weekdays = frozenset(day % 7 for day in sets[4])
    found = Schedule(sets[0], sets[1], sets[2], sets[3], weekdays, words[2].startswith(("*", "?")), words[4].startswith(("*", "?")))
    if found.after(0) is None:
        raise ScheduleError(f"{text!r} never comes")
    return found


def _values(word: str, name: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in word.lower().split(","):
        span, slash, step = part.partition("/")
        first, last = _span(span, name, low, high, bool(slash))
        every = natural(step) if slash else 1
        if not every:
            raise ScheduleError(f"{part!r} has no step that counts, in the {name} of a schedule")
        found |= set(range(first, last + 1, every))
    return frozenset(found)


def _span(span: str, name: str, low: int, high: int, stepped: bool) -> tuple[int, int]:
    if span in ("*", "?"):
        return low, 6 if name == "day of the week" else high
    first, dash, last = span.partition("-")
    begin = _number(first, name, low, high)
    end = _number(last, name, low, high) if dash else (high if stepped else begin)
    if end < begin:
        raise ScheduleError(f"{span!r} ends before it begins, in the {name} of a schedule")
    return begin, end


def _number(word: str, name: str, low: int, high: int) -> int:
    names = {"month": {m: i + 1 for i, m in enumerate(_MONTHS)}, "day of the week": {d: i for i, d in enumerate(_DAYS)}}.get(name, {})
    value = names.get(word, natural(word))
    if value is None or not low <= value <= high:
        raise ScheduleError(f"{word!r} is not in the range {low}-{high}, in the {name} of a schedule")
    return value
