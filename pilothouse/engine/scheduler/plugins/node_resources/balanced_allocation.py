"""Rather where resources are used up alike. Pods that request none of them have no say: they would all go to one node."""

from math import sqrt

from pilothouse.engine.scheduler.framework.plugin import MAX_SCORE, NodeScore
from pilothouse.engine.scheduler.plugins.node_resources.scoring import OF_EVERY_POD
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.shape import Needs

CPU_AND_MEMORY = ("cpu", "memory")


class BalancedAllocation:
    """resources: those that are compared, each once."""

    name = "NodeResourcesBalancedAllocation"

    def __init__(self, resources: tuple[str, ...] = CPU_AND_MEMORY) -> None:
        self._resources = resources

    def score_locally(self, needs: Needs) -> NodeScore | None:
        wanted = [(resource, needs.demand.resources.get(resource, 0)) for resource in self._resources]
        if not any(amount for _, amount in wanted):
            return None
        if self._resources == CPU_AND_MEMORY:
            return _of_two(wanted[0][1], wanted[1][1])

        def score(node: NodeInfo) -> int:
            shares = [
                min(1.0, (node.used[resource] + amount) / has)
                for resource, amount in wanted
                if (amount or resource in OF_EVERY_POD) and (has := node.allocatable.get(resource, 0))
            ]
            return int((1 - _deviation(shares)) * MAX_SCORE)

        return score


def _of_two(cpu: int, memory: int) -> NodeScore:
    """The default, in less time."""

    def score(node: NodeInfo) -> int:
        allocatable, used = node.allocatable, node.used
        of_cpu, of_memory = allocatable.get("cpu", 0), allocatable.get("memory", 0)
        if not of_cpu or not of_memory:
            return MAX_SCORE
        apart = min(1.0, (used["cpu"] + cpu) / of_cpu) - min(1.0, (used["memory"] + memory) / of_memory)
        return int((1 - abs(apart) / 2) * MAX_SCORE)

    return score


def _deviation(shares: list[float]) -> float:
    if len(shares) < 2:
        return 0.0
    if len(shares) == 2:
        return abs(shares[0] - shares[1]) / 2
    mean = sum(shares) / len(shares)
    return sqrt(sum((share - mean) ** 2 for share in shares) / len(shares))
