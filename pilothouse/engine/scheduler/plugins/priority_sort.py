"""The more important pod goes first."""

from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo


class PrioritySort:
    name = "PrioritySort"

    def rank(self, pod: PodInfo) -> int:
        return -pod.priority
