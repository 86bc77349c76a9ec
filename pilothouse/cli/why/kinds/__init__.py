"""Kinds that are neither apps nor sets of pods that run: each with its own way of being well or not."""

from collections.abc import Callable, Mapping

from pilothouse.cli.why.kinds import autoscaler, budget, claim, cron_job, job, mysql, service
from pilothouse.cli.why.scene import Scene
from pilothouse.cli.why.sentence import Why

EXPLAINED: Mapping[str, Callable[[Scene], Why]] = {
    "CronJob": cron_job.explain,
    "HorizontalPodAutoscaler": autoscaler.explain,
    "Job": job.explain,
    "MySQL": mysql.explain,
    "PersistentVolumeClaim": claim.explain,
    "PodDisruptionBudget": budget.explain,
    "Service": service.explain,
}
"""By kind; each is only called with a scene whose `workload` is there."""
