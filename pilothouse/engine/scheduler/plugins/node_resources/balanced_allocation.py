"""Rather where cpu and memory are used up alike. Pods that request neither have no say: they would all go to one node."""

from pilothouse.engine.scheduler.framework.plugin import MAX_SCORE, NodeScore
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.shape import Needs


class BalancedAllocation:
    name = "NodeResourcesBalancedAllocation"

    def score_locally(self, needs: Needs) -> NodeScore | None:
        cpu, memory = needs.demand.resources.get("cpu", 0), needs.demand.resources.get("memory", 0)
        if not cpu and not memory:
            return None

        def score(node: NodeInfo) -> int:
            allocatable, used = node.allocatable, node.used
            of_cpu, of_memory = allocatable.get("cpu", 0), allocatable.get("memory", 0)
            if not of_cpu or not of_memory:
                return MAX_SCORE
            apart = min(1.0, (used["cpu"] + cpu) / of_cpu) - min(1.0, (used["memory"] + memory) / of_memory)
            return int((1 - abs(apart) / 2) * MAX_SCORE)

        return score
