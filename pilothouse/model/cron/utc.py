"""Times written as cron writes them: five fields (minute, hour, day of the month, month, day of the week), in UTC (pure).

Source: crontab(5), with the macros of Kubernetes' CronJob (@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually).
"""

from pilothouse.model.cron.parse import DESCRIPTORS, MONTHS, WEEKDAYS
from pilothouse.model.cron.schedule import Fields
from pilothouse.model.digits import natural

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
_NAMES = {"month": MONTHS, "day of the week": WEEKDAYS}


class ScheduleError(ValueError):
    """A sentence that names the field that is wrong."""


def parse(text: str) -> Fields:
    words = DESCRIPTORS.get(text.strip().lower(), text).split()
    if len(words) != len(_FIELDS):
        raise ScheduleError(f"{text!r} is no schedule: write five fields, such as `30 3 * * *` for every day at 03:30 UTC")
    sets = [_values(word, *field) for word, field in zip(words, _FIELDS, strict=True)]
    weekdays = frozenset(day % 7 for day in sets[4])
    found = Fields(sets[0], sets[1], sets[2], sets[3], weekdays, words[2].startswith(("*", "?")), words[4].startswith(("*", "?")))
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
    value = _NAMES.get(name, {}).get(word, natural(word))
    if value is None or not low <= value <= high:
        raise ScheduleError(f"{word!r} is not in the range {low}-{high}, in the {name} of a schedule")
    return value
