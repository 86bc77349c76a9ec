"""A pod goes only where what it requests is left, and rather where more is left, or whatever the scoring strategy says."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pilothouse.engine.scheduler.demand import PODS
from pilothouse.engine.scheduler.framework.plugin import NodeFilter, NodeScore, Refusal
from pilothouse.engine.scheduler.plugins.node_resources.scoring import Strategy
from pilothouse.engine.scheduler.snapshot.events import Event, NodeChanged, PodLeft
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Needs

TOO_MANY = "Too many pods"


@dataclass(frozen=True, slots=True)
class FitArgs:
    """ignored: resources that somebody else sees to. ignored_groups: what stands before the / of such resources."""

    strategy: Strategy = field(default_factory=Strategy)
    ignored: frozenset[str] = frozenset()
    ignored_groups: frozenset[str] = frozenset()


class NodeResourcesFit:
    name = "NodeResourcesFit"

    def __init__(self, args: FitArgs | None = None) -> None:
        self._args = args or FitArgs()

    def filter_locally(self, needs: Needs) -> NodeFilter | None:
        asked = tuple((resource, amount) for resource, amount in self._counted(needs.demand.resources.items()) if amount > 0)

        def judge(node: NodeInfo) -> Refusal | None:
            allocatable, used = node.allocatable, node.used
            for resource, amount in asked:
                if amount > allocatable.get(resource, 0) - used[resource]:
                    return self._refusal(asked, node)
            return None

        return judge

    def score_locally(self, needs: Needs) -> NodeScore | None:
        return self._args.strategy.score(needs)

    def hint(self, pod: PodInfo, event: Event) -> bool:
        wanted = pod.shape.needs.demand.resources
        if isinstance(event, PodLeft):
            freed, kept = event.pod.demand.resources, {} if event.now is None else event.now.demand.resources
            return any(amount > kept.get(resource, 0) and wanted.get(resource, 0) > 0 for resource, amount in freed.items())
        if isinstance(event, NodeChanged) and event.changed & {"added", "allocatable"}:
            return all(amount <= event.node.allocatable.get(resource, 0) for resource, amount in self._counted(wanted.items()))
        return False

    def _counted(self, amounts: Iterable[tuple[str, int]]) -> Iterable[tuple[str, int]]:
        args = self._args
        if not (args.ignored or args.ignored_groups):
            return amounts
        return [each for each in amounts if not ("/" in each[0] and (each[0] in args.ignored or _group(each[0]) in args.ignored_groups))]

    def _refusal(self, asked: tuple[tuple[str, int], ...], node: NodeInfo) -> Refusal:
        """Each resource that is short is a reason. What is more than the whole node will not become less by pods that leave."""
        allocatable, used = node.allocatable, node.used
        short = [(resource, amount) for resource, amount in asked if amount > allocatable.get(resource, 0) - used[resource]]
        reasons = tuple(TOO_MANY if resource == PODS else f"Insufficient {resource}" for resource, _ in short)
        return Refusal(self.name, reasons, is_final=any(amount > allocatable.get(resource, 0) for resource, amount in short))


def _group(resource: str) -> str:
    return resource.partition("/")[0]
