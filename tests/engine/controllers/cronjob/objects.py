"""A CronJob and its Jobs, as small as the plans need them."""

from typing import Any

from pilothouse.model import meta
from tests.engine.controllers.objects import NOW, ago


def cron_job(
    schedule: str = "*/10 * * * *", *, status: dict[str, Any] | None = None, age_s: float = 100_000, **spec: Any
) -> dict[str, Any]:
    wanted = {
        "schedule": schedule,
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
        "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never"}}}},
    }
    metadata = {"name": "tick", "namespace": "default", "uid": "uid-tick", "creationTimestamp": ago(age_s)}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": wanted | spec, "status": status or {}}


def made(name: str, *, ended: str = "", started_s: float | None = 60, completed_s: float = 0) -> dict[str, Any]:
    """A Job of it. ended: "Complete" or "Failed"; started_s, completed_s: ago."""
    status: dict[str, Any] = {} if started_s is None else {"startTime": ago(started_s)}
    if ended:
        status["conditions"] = [{"type": ended, "status": "True"}]
    if ended == "Complete":
        status["completionTime"] = ago(completed_s)
    return {"metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"}, "status": status}


def reference(name: str) -> dict[str, Any]:
    return {"kind": "Job", "name": name, "namespace": "default", "uid": f"uid-{name}"}


def at(seconds: float) -> str:
    return meta.rfc3339(NOW + seconds)
