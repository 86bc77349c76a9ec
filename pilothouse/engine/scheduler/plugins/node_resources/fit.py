"""A pod goes only where what it requests is left, and rather where more is left (upstream's LeastAllocated)."""

from pilothouse.engine.scheduler.demand import PODS
from pilothouse.engine.scheduler.framework.plugin import MAX_SCORE, NodeFilter, NodeScore, Refusal
from pilothouse.engine.scheduler.snapshot.events import Event, NodeChanged, PodLeft
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Needs

TOO_MANY = "Too many pods"


class NodeResourcesFit:
    name = "NodeResourcesFit"

    def filter_locally(self, needs: Needs) -> NodeFilter | None:
        asked = tuple((resource, amount) for resource, amount in needs.demand.resources.items() if amount > 0)

        def judge(node: NodeInfo) -> Refusal | None:
            allocatable, used = node.allocatable, node.used
            for resource, amount in asked:
                if amount > allocatable.get(resource, 0) - used[resource]:
                    return self._refusal(asked, node)
            return None

        return judge

    def score_locally(self, needs: Needs) -> NodeScore | None:
        return least_allocated(needs)

    def hint(self, pod: PodInfo, event: Event) -> bool:
        wanted = pod.shape.needs.demand.resources
        if isinstance(event, PodLeft):
            freed, kept = event.pod.demand.resources, {} if event.now is None else event.now.demand.resources
            return any(amount > kept.get(resource, 0) and wanted.get(resource, 0) > 0 for resource, amount in freed.items())
        if isinstance(event, NodeChanged) and event.changed & {"added", "allocatable"}:
            return all(amount <= event.node.allocatable.get(resource, 0) for resource, amount in wanted.items())
        return False

    def _refusal(self, asked: tuple[tuple[str, int], ...], node: NodeInfo) -> Refusal:
        """Each resource that is short is a reason. What is more than the whole node will not become less by pods that leave."""
        allocatable, used = node.allocatable, node.used
        short = [(resource, amount) for resource, amount in asked if amount > allocatable.get(resource, 0) - used[resource]]
        reasons = tuple(TOO_MANY if resource == PODS else f"Insufficient {resource}" for resource, _ in short)
        return Refusal(self.name, reasons, is_final=any(amount > allocatable.get(resource, 0) for resource, amount in short))


def least_allocated(needs: Needs) -> NodeScore:
    """The share of cpu and memory that stays free, in hundredths, of those that the node has at all."""
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
