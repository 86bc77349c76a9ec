"""The extension points by upstream's names, and at which of them a plug-in takes part.

What upstream splits in two is one here: a filter is made by what is `preFilter` there, and a score does what `preScore` would. A plug-in
that has both of a pair in upstream is on at both or at none.
"""

from enum import StrEnum


class Point(StrEnum):
    PRE_ENQUEUE = "preEnqueue"
    QUEUE_SORT = "queueSort"
    PRE_FILTER = "preFilter"
    FILTER = "filter"
    POST_FILTER = "postFilter"
    PRE_SCORE = "preScore"
    SCORE = "score"
    RESERVE = "reserve"
    PERMIT = "permit"
    PRE_BIND = "preBind"
    BIND = "bind"
    POST_BIND = "postBind"


PAIRS = {Point.FILTER: Point.PRE_FILTER, Point.SCORE: Point.PRE_SCORE}
"""Points, and those that prepare for them."""

_METHODS: dict[Point, tuple[str, ...]] = {
    Point.PRE_ENQUEUE: ("pre_enqueue",),
    Point.QUEUE_SORT: ("rank",),
    Point.FILTER: ("filter_locally", "pre_filter", "narrow"),
    Point.POST_FILTER: ("post_filter",),
    Point.SCORE: ("score_locally", "score"),
    Point.RESERVE: ("reserve",),
    Point.PERMIT: ("permit",),
    Point.PRE_BIND: ("pre_bind",),
    Point.BIND: ("bind",),
}
_PREPARING: dict[Point, frozenset[str]] = {
    Point.PRE_FILTER: frozenset(
        (
            *("NodeAffinity", "NodePorts", "NodeResourcesFit", "NodeVolumeLimits", "VolumeBinding", "VolumeZone"),
            *("PodTopologySpread", "InterPodAffinity"),
        )
    ),
    Point.PRE_SCORE: frozenset(
        ("TaintToleration", "NodeAffinity", "NodeResourcesFit", "PodTopologySpread", "InterPodAffinity", "NodeResourcesBalancedAllocation"),
    ),
}
"""Plug-ins that prepare something in upstream."""


def points_of(name: str, plugin: type) -> frozenset[Point]:
    """Where a plug-in of that class takes part."""
    own = {point for point, methods in _METHODS.items() if any(hasattr(plugin, method) for method in methods)}
    return frozenset(own | {point for point, names in _PREPARING.items() if name in names})
