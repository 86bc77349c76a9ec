"""Which plug-ins take part, in which order and with which weights."""

from collections.abc import Iterable, Mapping

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
    PreFilter,
    QueueSort,
    Reserve,
    Score,
)


class Profile:
    """plugins: in the order in which they are asked; local filters are asked before the others. weights: of scores, 1 if not named."""

    def __init__(self, plugins: Iterable[Plugin], weights: Mapping[str, int]) -> None:
        self.plugins = tuple(plugins)
        self._weights = weights
        self.queue_sort: tuple[QueueSort, ...] = tuple(each for each in self.plugins if isinstance(each, QueueSort))
        self.narrowing: tuple[Narrowing, ...] = tuple(each for each in self.plugins if isinstance(each, Narrowing))
        self.local_filters: tuple[LocalFilter, ...] = tuple(each for each in self.plugins if isinstance(each, LocalFilter))
        self.pre_filters: tuple[PreFilter, ...] = tuple(each for each in self.plugins if isinstance(each, PreFilter))
        self.post_filters: tuple[PostFilter, ...] = tuple(each for each in self.plugins if isinstance(each, PostFilter))
        self.local_scores: tuple[tuple[LocalScore, int, Normalising | None], ...] = tuple(
            (each, self._weight(each), _normalising(each)) for each in self.plugins if isinstance(each, LocalScore)
        )
        self.scores: tuple[tuple[Score, int, Normalising | None], ...] = tuple(
            (each, self._weight(each), _normalising(each)) for each in self.plugins if isinstance(each, Score)
        )
        self.reserves: tuple[Reserve, ...] = tuple(each for each in self.plugins if isinstance(each, Reserve))
        self.permits: tuple[Permit, ...] = tuple(each for each in self.plugins if isinstance(each, Permit))
        self.pre_binds: tuple[PreBind, ...] = tuple(each for each in self.plugins if isinstance(each, PreBind))
        self.binds: tuple[Bind, ...] = tuple(each for each in self.plugins if isinstance(each, Bind))
        self.hinting: dict[str, Hinting] = {each.name: each for each in self.plugins if isinstance(each, Hinting)}

    def _weight(self, plugin: Plugin) -> int:
        return self._weights.get(plugin.name, 1)


def _normalising(plugin: Plugin) -> Normalising | None:
    return plugin if isinstance(plugin, Normalising) else None
