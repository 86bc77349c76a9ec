"""How full a node is to be rather than another: upstream's scoring strategies over weighed resources.

Source: kubernetes pkg/scheduler/framework/plugins/noderesources (least_allocated, most_allocated, requested_to_capacity_ratio).
"""

from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.engine.scheduler.framework.plugin import MAX_SCORE, NodeScore
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.shape import Needs

LEAST_ALLOCATED, MOST_ALLOCATED, BY_RATIO = "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"
KINDS = (LEAST_ALLOCATED, MOST_ALLOCATED, BY_RATIO)
DEFAULT_RESOURCES = (("cpu", 1), ("memory", 1))
OF_EVERY_POD = ("cpu", "memory", "ephemeral-storage")
"""Other resources count for pods alone that request them."""

OfResource = Callable[[int, int], int]
"""From what is requested with the pod, and what the node has of it (more than 0), to a score of at most MAX_SCORE."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """resources: with their weights. shape: of BY_RATIO alone, points (hundredths of use, score from 0 to MAX_SCORE) by growing use."""

    kind: str = LEAST_ALLOCATED
    resources: tuple[tuple[str, int], ...] = DEFAULT_RESOURCES
    shape: tuple[tuple[int, int], ...] = ()

    def score(self, needs: Needs) -> NodeScore:
        if self == Strategy():
            return _least_of_two(needs)
        if self.kind == BY_RATIO:
            return self._by_ratio(needs)
        return self._mean(needs, _free if self.kind == LEAST_ALLOCATED else _used)

    def _mean(self, needs: Needs, score_of: OfResource) -> NodeScore:
        def score(node: NodeInfo) -> int:
            total, weights = 0, 0
            for resource, weight in self.resources:
                requested, has = requested_with(needs, node, resource)
                if has:
                    total += weight * score_of(requested, has)
                    weights += weight
            return total // weights if weights else 0

        return score

    def _by_ratio(self, needs: Needs) -> NodeScore:
        """A resource that gives no score has no weight either, as upstream."""

        def score(node: NodeInfo) -> int:
            total, weights = 0, 0
            for resource, weight in self.resources:
                requested, has = requested_with(needs, node, resource)
                found = on_line(self.shape, 100 if requested > has else requested * 100 // has) if has else 0
                if found > 0:
                    total += weight * found
                    weights += weight
            return (2 * total + weights) // (2 * weights) if weights else 0

        return score


def requested_with(needs: Needs, node: NodeInfo, resource: str) -> tuple[int, int]:
    """What the node's pods and this one request of a resource, and what the node has; (0, 0) for one that does not count for the pod.

    Of cpu and memory pods count that request none, as small ones.
    """
    has = node.allocatable.get(resource, 0)
    if resource == "cpu":
        return node.scored_cpu + needs.scored[0], has
    if resource == "memory":
        return node.scored_memory + needs.scored[1], has
    wanted = needs.demand.resources.get(resource, 0)
    if not wanted and resource not in OF_EVERY_POD:
        return 0, 0
    return node.used[resource] + wanted, has


def on_line(shape: tuple[tuple[int, int], ...], use: int) -> int:
    """The score at a use, on the lines between the points; before the first and after the last it is theirs."""
    last_use, last_score = shape[0]
    for point_use, point_score in shape:
        if use <= point_use:
            if point_use == last_use:
                return point_score
            # As in upstream's language, division goes towards zero.
            return last_score + int((point_score - last_score) * (use - last_use) / (point_use - last_use))
        last_use, last_score = point_use, point_score
    return last_score


def _free(requested: int, has: int) -> int:
    return max(0, has - requested) * MAX_SCORE // has


def _used(requested: int, has: int) -> int:
    return min(requested, has) * MAX_SCORE // has


def _least_of_two(needs: Needs) -> NodeScore:
    """The default strategy, which is asked for most and costs most: the free share of cpu and memory."""
    cpu, memory = needs.scored

    def score(node: NodeInfo) -> int:
        found, counted = 0, 0
        if of := node.allocatable.get("cpu", 0):
            counted += 1
            found += max(0, of - node.scored_cpu - cpu) * MAX_SCORE // of
        if of := node.allocatable.get("memory", 0):
            counted += 1
            found += max(0, of - node.scored_memory - memory) * MAX_SCORE // of
        return found // counted if counted else 0

    return score
