"""Taints keep pods away, or make a node one of the last choices, unless they are tolerated."""

from pilothouse.engine.scheduler.framework.plugin import NodeFilter, NodeScore, Refusal, scaled
from pilothouse.engine.scheduler.snapshot.events import Event, NodeChanged
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Needs
from pilothouse.model.json import Object

KEEP_AWAY = ("NoSchedule", "NoExecute")


class TaintToleration:
    name = "TaintToleration"

    def filter_locally(self, needs: Needs) -> NodeFilter | None:
        def judge(node: NodeInfo) -> Refusal | None:
            taint = untolerated(needs, node) if node.taints else None
            if taint is None:
                return None
            reason = f"node(s) had untolerated taint(s) {{{taint['key']}: {taint.get('value', '')}}}"
            return Refusal(self.name, (reason,), is_final=True)

        return judge

    def score_locally(self, needs: Needs) -> NodeScore | None:
        """How many of the taints that prefer others are not tolerated."""

        def score(node: NodeInfo) -> int:
            if not node.taints:
                return 0
            return sum(1 for each in node.taints if each.get("effect") == "PreferNoSchedule" and not needs.tolerates(each))

        return score

    def normalise(self, scores: list[int]) -> list[int]:
        return scaled(scores, is_reverse=True)

    def hint(self, pod: PodInfo, event: Event) -> bool:
        if not isinstance(event, NodeChanged) or not event.changed & {"added", "taints"}:
            return False
        return untolerated(pod.shape.needs, event.node) is None


def untolerated(needs: Needs, node: NodeInfo) -> Object | None:
    """The first taint that keeps the pod away."""
    return next((each for each in node.taints if each.get("effect") in KEEP_AWAY and not needs.tolerates(each)), None)
