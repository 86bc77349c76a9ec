"""The configuration at work: which level serves a request, and what became of requests, in upstream's metrics.

A level that is taken out of the configuration, or changed, goes on until those who wait in it have been served; what it has in
execution counts as borrowed from then on.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from pilothouse.engine.apiserver.fairness.classify import Classifier
from pilothouse.engine.apiserver.fairness.configuration import FlowSchema, PriorityLevel
from pilothouse.engine.apiserver.fairness.levels import Level, Pool, retire, share_out
from pilothouse.engine.apiserver.fairness.turns import Refused, Seat, Turns
from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.request.routing import Target

CATCH_ALL = "catch-all"
_MOST_SERIES = 1000
_LONGEST_FLOW = 512
_PREFIX = "apiserver_flowcontrol_"
_LIMIT = ("nominal_limit_seats", "gauge", "Seats of a priority level, before it borrows or lends.")
_EXECUTING = ("current_executing_requests", "gauge", "Requests in execution, by priority level.")
_WAITING = ("current_inqueue_requests", "gauge", "Requests that wait for a seat or a turn, by priority level.")
_DISPATCHED = ("dispatched_requests_total", "counter", "Requests that were let in, by flow schema and priority level.")
_REJECTED = ("rejected_requests_total", "counter", "Requests that were refused with 429, by flow schema, priority level and reason.")


class Fairness:
    def __init__(self, schemas: Iterable[FlowSchema], levels: Iterable[PriorityLevel]) -> None:
        """See `configure`."""
        self.turns = Turns()
        self._pool = Pool()
        self._levels: dict[str, Level] = {}
        self._dispatched: dict[tuple[str, str], int] = {}
        self._rejected: dict[tuple[str, str, str], int] = {}
        self.configure(schemas, levels)

    def configure(self, schemas: Iterable[FlowSchema], levels: Iterable[PriorityLevel]) -> None:
        """A schema whose level is missing is left out. Both must have a `catch-all`, which takes what nobody else does."""
        before = self._levels
        self._levels = {level.name: self._level(level) for level in levels}
        for level in before.values():
            if level is not self._levels.get(level.settings.name) and not level.settings.exempt:
                retire(level)
        share_out(self._levels.values(), self._pool)
        known = [schema for schema in schemas if schema.level in self._levels]
        self._classifier = Classifier(known, next(schema for schema in known if schema.name == CATCH_ALL))

    def _level(self, settings: PriorityLevel) -> Level:
        found = self._levels.get(settings.name)
        return found if found is not None and found.settings == settings else Level(settings, self._pool)

    @property
    def levels(self) -> list[Level]:
        return list(self._levels.values())

    def classify(self, user: User, verb: str, target: Target) -> tuple[FlowSchema, Level]:
        schema = self._classifier.find(user, verb, target)
        return schema, self._levels[schema.level]

    async def enter(self, schema: FlowSchema, level: Level, user: User, target: Target) -> Seat | None:
        """A seat once it is the request's turn; None when its level is exempt. Raises Refused."""
        if level.settings.exempt:
            self._count(schema)
            return None
        try:
            seat = await self.turns.enter(level, _flow_name(schema, user, target))
        except Refused as refused:
            key = schema.name, schema.level, refused.why
            if key in self._rejected or len(self._rejected) < _MOST_SERIES:
                self._rejected[key] = self._rejected.get(key, 0) + 1
            raise
        self._count(schema)
        return seat

    def _count(self, schema: FlowSchema) -> None:
        key = schema.name, schema.level
        if key in self._dispatched or len(self._dispatched) < _MOST_SERIES:
            self._dispatched[key] = self._dispatched.get(key, 0) + 1

    def lines(self) -> list[str]:
        """For /metrics. Executing and waiting requests are counted by level."""
        limited = [level for level in self._levels.values() if not level.settings.exempt]
        found = [
            *_series(_LIMIT, [(_by_level(level), level.nominal) for level in limited]),
            *_series(_EXECUTING, [(_by_level(level), level.seats) for level in limited]),
            *_series(_WAITING, [(_by_level(level), level.waiting) for level in limited]),
        ]
        asked = [(f'flow_schema="{name}",priority_level="{level}"', count) for (name, level), count in sorted(self._dispatched.items())]
        refused = [
            (f'flow_schema="{name}",priority_level="{level}",reason="{why}"', count)
            for (name, level, why), count in sorted(self._rejected.items())
        ]
        return [*found, *_series(_DISPATCHED, asked), *_series(_REJECTED, refused)]


def _flow_name(schema: FlowSchema, user: User, target: Target) -> str:
    """Levels remember names of flows for a while: a long one, which may be made up, is known by its hash."""
    flow = schema.flow(user, target)
    if len(flow) > _LONGEST_FLOW:
        flow = sha256(flow.encode(errors="replace")).hexdigest()
    return f"{schema.name}/{flow}"


def _by_level(level: Level) -> str:
    return f'priority_level="{level.settings.name}"'


def _series(metric: tuple[str, str, str], values: Sequence[tuple[str, int]]) -> list[str]:
    name, kind, help = metric
    head = [f"# HELP {_PREFIX}{name} {help}", f"# TYPE {_PREFIX}{name} {kind}"]
    return [*head, *(f"{_PREFIX}{name}{{{labels}}} {value}" for labels, value in values)]
