"""Which nodes a pod may go to, and should go to, for the sake of other pods: its own terms about them and theirs about it."""

from pilothouse.engine.scheduler.plugins.inter_pod_affinity.plugin import InterPodAffinity

__all__ = ["InterPodAffinity"]
