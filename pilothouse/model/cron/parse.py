"""Lines of five fields (minute, hour, day of the month, month, day of the week), `@daily` and its like, and `@every 1h30m`.

Source: robfig/cron v3 (parser.go), the grammar of Kubernetes' CronJobs; messages in its wording.
"""

from collections.abc import Mapping
from typing import NamedTuple

from pilothouse.model.cron.schedule import Every, Fields, Schedule
from pilothouse.model.digits import natural
from pilothouse.model.durations import duration_ns

DESCRIPTORS: Mapping[str, str] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = {name: number for number, name in enumerate(_MONTHS, 1)}
WEEKDAYS = {name: number for number, name in enumerate(_WEEKDAYS)}
EVERY = "@every "
LONGEST = 4096
"""Characters. All that can be said fits into a quarter of it, and a longer line would hold who reads it."""
_SECOND_NS = 10**9
_MOST_NS = 2**63 - 1


class ScheduleError(ValueError):
    """str(error): what is wrong with the line."""


class _Bounds(NamedTuple):
    low: int
    high: int
    names: Mapping[str, int]


_FIELDS = (_Bounds(0, 59, {}), _Bounds(0, 23, {}), _Bounds(1, 31, {}), _Bounds(1, 12, MONTHS), _Bounds(0, 6, WEEKDAYS))


def parse(text: str) -> Schedule:
    """Raises ScheduleError. That the times ever come is not asked: 30 February is a schedule."""
    if not text:
        raise ScheduleError("empty spec string")
    if len(text) > LONGEST:
        raise ScheduleError(f"longer than {LONGEST} characters")
    if text.startswith(EVERY):
        return Every(_interval_s(text))
    if text.startswith("@") and text not in DESCRIPTORS:
        raise ScheduleError(f"unrecognized descriptor: {text}")
    words = DESCRIPTORS.get(text, text).split()
    if len(words) != len(_FIELDS):
        raise ScheduleError(f"expected exactly {len(_FIELDS)} fields, found {len(words)}: [{' '.join(words)}]")
    (minutes, _), (hours, _), (days, any_day), (months, _), (weekdays, any_weekday) = map(_field, words, _FIELDS)
    return Fields(minutes, hours, days, months, weekdays, any_day, any_weekday)


def _field(word: str, bounds: _Bounds) -> tuple[frozenset[int], bool]:
    """Its values, and whether it is as good as not restricted."""
    values: set[int] = set()
    is_any = False
    for part in filter(None, word.split(",")):
        found, is_star = _part(part, bounds)
        values.update(found)
        is_any = is_any or is_star
    return frozenset(values), is_any


def _part(text: str, bounds: _Bounds) -> tuple[range, bool]:
    """`N`, `N-M` or `*`, with `/STEP`: `N/STEP` goes to the end of the range."""
    span, *steps = text.split("/")
    first, *ends = span.split("-")
    if is_star := first in ("*", "?"):
        begin, end = bounds.low, bounds.high
    elif len(ends) > 1:
        raise ScheduleError(f"too many hyphens: {text}")
    else:
        begin = _number(first, bounds.names)
        end = _number(ends[0], bounds.names) if ends else bounds.high if steps else begin
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    step = _number(steps[0], {}) if steps else 1
    _check(begin, end, step, bounds, text)
    return range(begin, end + 1, step), is_star and step == 1


def _check(begin: int, end: int, step: int, bounds: _Bounds, text: str) -> None:
    if begin < bounds.low:
        raise ScheduleError(f"beginning of range ({begin}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ScheduleError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if begin > end:
        raise ScheduleError(f"beginning of range ({begin}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")


def _number(word: str, names: Mapping[str, int]) -> int:
    named = names.get(word.lower())
    found = natural(word) if named is None else named
    if found is None:
        raise ScheduleError(f'failed to parse int from {word}: strconv.Atoi: parsing "{word}": invalid syntax')
    return found


def _interval_s(text: str) -> int:
    """Whole seconds, one at least."""
    duration = text.removeprefix(EVERY)
    try:
        total_ns = duration_ns(duration)
    except ValueError:
        total_ns = None
    # WHY the units: expressions know days and weeks, which Go's durations do not.
    if total_ns is None or total_ns > _MOST_NS or "d" in duration or "w" in duration:
        raise ScheduleError(f'failed to parse duration {text}: time: invalid duration "{duration}"')
    return max(1, total_ns // _SECOND_NS)
