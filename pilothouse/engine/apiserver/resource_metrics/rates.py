"""From the last two points of a node and of its containers to what they use. Pure.

Source: metrics-server pkg/storage/{node,pod,types}.go. A container that has just been started is measured since its start.
"""

from dataclasses import dataclass, field

from pilothouse.engine.apiserver.resource_metrics.points import ContainerKey, NodePoints, Point

FRESH_S = 10.0
"""The shortest life of a new container by which its use is told."""


@dataclass(frozen=True, slots=True)
class Usage:
    """at: the end of the window, seconds since the epoch. nanocores: processors used over the window, in billionths."""

    at: float
    window_s: float
    nanocores: int
    memory_bytes: int


@dataclass(slots=True)
class Pair:
    """The last two points, of which the first may be missing."""

    last: Point
    before: Point | None = None

    def usage(self) -> Usage | None:
        """None while there are no two points, or when the counter has gone back."""
        before, last = self.before, self.last
        if before is None or before.cpu_s is None or last.cpu_s is None or last.memory_bytes is None:
            return None
        window_s = last.at - before.at
        if window_s <= 0 or last.cpu_s < before.cpu_s:
            return None
        return Usage(last.at, window_s, int((last.cpu_s - before.cpu_s) / window_s * 1e9), last.memory_bytes)


@dataclass(slots=True)
class NodeUsage:
    """Of one node. received_at: when its last points came, on the loop's clock."""

    node: Pair
    containers: dict[ContainerKey, Pair] = field(default_factory=dict)
    received_at: float = 0.0


def joined(known: NodeUsage | None, new: NodePoints, received_at: float, resolution_s: float) -> NodeUsage:
    """What is known of a node once new points have come. resolution_s: the time between points."""
    old = {} if known is None else known.containers
    containers = {key: _container(old.get(key), point, resolution_s) for key, point in new.containers.items()}
    return NodeUsage(_next(None if known is None else known.node, new.node), containers, received_at)


def _container(known: Pair | None, new: Point, resolution_s: float) -> Pair:
    if known is not None and new.started_at <= known.last.at:
        return _next(known, new)
    age_s = new.at - new.started_at
    if new.started_at > 0 and FRESH_S <= age_s < max(resolution_s, FRESH_S) + FRESH_S:
        return Pair(new, Point(at=new.started_at, cpu_s=0.0, memory_bytes=0))
    return Pair(new)


def _next(known: Pair | None, new: Point) -> Pair:
    if known is None:
        return Pair(new)
    if new.at <= known.last.at:
        # The node has given what it gave before.
        return known
    if new.cpu_s is not None and known.last.cpu_s is not None and new.cpu_s < known.last.cpu_s:
        return Pair(new)
    return Pair(new, known.last)
