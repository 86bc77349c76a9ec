"""Which plug-ins take part at which extension point, in which order and with which weights; a schedulerName for which pods ask has one."""

from collections.abc import Iterable, Mapping, Sequence

from pilothouse.engine.scheduler.framework.plugin import (
    Bind,
    Hinting,
    LocalFilter,
    LocalScore,
    Narrowing,
    Normalising,
    Permit,
    Plugin,
    PostFilter,
    PreBind,
    PreEnqueue,
    PreFilter,
    QueueSort,
    Reserve,
    Score,
)
from pilothouse.engine.scheduler.framework.points import Point


class Profile:
    """taking_part: at each point in the order in which they are asked; local filters are asked before the others. weights: of scores, 1 if
    not named. percentage: of the nodes that are looked at, 0 for as many as do."""

    def __init__(self, taking_part: Mapping[Point, Sequence[Plugin]], weights: Mapping[str, int], percentage: int = 0) -> None:
        def at(point: Point) -> Sequence[Plugin]:
            return taking_part.get(point, ())

        self.percentage = percentage
        self._weights = weights
        self.pre_enqueues: tuple[PreEnqueue, ...] = tuple(each for each in at(Point.PRE_ENQUEUE) if isinstance(each, PreEnqueue))
        self.queue_sort: tuple[QueueSort, ...] = tuple(each for each in at(Point.QUEUE_SORT) if isinstance(each, QueueSort))
        self.narrowing: tuple[Narrowing, ...] = tuple(each for each in at(Point.FILTER) if isinstance(each, Narrowing))
        self.local_filters: tuple[LocalFilter, ...] = tuple(each for each in at(Point.FILTER) if isinstance(each, LocalFilter))
        self.pre_filters: tuple[PreFilter, ...] = tuple(each for each in at(Point.FILTER) if isinstance(each, PreFilter))
        self.post_filters: tuple[PostFilter, ...] = tuple(each for each in at(Point.POST_FILTER) if isinstance(each, PostFilter))
        self.local_scores: tuple[tuple[LocalScore, int, Normalising | None], ...] = tuple(
            (each, self._weight(each), _normalising(each)) for each in at(Point.SCORE) if isinstance(each, LocalScore)
        )
        self.scores: tuple[tuple[Score, int, Normalising | None], ...] = tuple(
            (each, self._weight(each), _normalising(each)) for each in at(Point.SCORE) if isinstance(each, Score)
        )
        self.reserves: tuple[Reserve, ...] = tuple(each for each in at(Point.RESERVE) if isinstance(each, Reserve))
        self.permits: tuple[Permit, ...] = tuple(each for each in at(Point.PERMIT) if isinstance(each, Permit))
        self.pre_binds: tuple[PreBind, ...] = tuple(each for each in at(Point.PRE_BIND) if isinstance(each, PreBind))
        self.binds: tuple[Bind, ...] = tuple(each for each in at(Point.BIND) if isinstance(each, Bind))
        everyone = {each.name: each for plugins in taking_part.values() for each in plugins}
        self.hinting: dict[str, Hinting] = {name: each for name, each in everyone.items() if isinstance(each, Hinting)}

    @classmethod
    def of(cls, plugins: Iterable[Plugin], weights: Mapping[str, int]) -> "Profile":
        """Every plug-in takes part wherever it can."""
        found = tuple(plugins)
        return cls(dict.fromkeys(Point, found), weights)

    def _weight(self, plugin: Plugin) -> int:
        return self._weights.get(plugin.name, 1)


def _normalising(plugin: Plugin) -> Normalising | None:
    return plugin if isinstance(plugin, Normalising) else None
