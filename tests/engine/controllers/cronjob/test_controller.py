import time
from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRONJOBS, EVENTS, JOBS, PODS
from tests.engine.controllers.conftest import Cluster, kubelet

POD = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "work:1"}]}}


def tick(**spec: Any) -> Object:
    return {"metadata": {"name": "tick"}, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": POD}}} | spec}


async def overdue(cluster: Cluster, *, beside_a_running_job: bool = False, **spec: Any) -> None:
    """One that has missed several times by the moment at which it begins."""
    made = await cluster.create(CRONJOBS, tick(suspend=True, **spec))
    status: Object = {"lastScheduleTime": meta.rfc3339(time.time() - 300)}
    if beside_a_running_job:
        owner = [meta.owner_reference(made, "batch/v1", "CronJob")]
        job = await cluster.create(JOBS, {"metadata": {"name": "tick-1", "ownerReferences": owner}, "spec": {"template": POD}})
        status["active"] = [{"kind": "Job", "name": "tick-1", "namespace": "default", "uid": meta.uid(job)}]
    await cluster.client.patch(CRONJOBS, "tick", {"status": status}, namespace="default", subresource="status")
    await cluster.patch(CRONJOBS, "tick", {"spec": {"suspend": False}})


def noted(cron_job: Object) -> bool:
    return bool(cron_job["status"].get("active"))


async def said(cluster: Cluster, reason: str) -> Object:
    def found(items: list[Object]) -> Object | None:
        return next((each for each in items if each["reason"] == reason and each["involvedObject"]["kind"] == "CronJob"), None)

    event: Object = await cluster.until(EVENTS, found, reason)
    return event


async def test_of_the_missed_times_one_job_is_made(cluster: Cluster) -> None:
    await overdue(cluster)
    cron_job = await cluster.until_one(CRONJOBS, "tick", noted)
    (job,) = await cluster.items(JOBS)
    scheduled = meta.parse_rfc3339(cron_job["status"]["lastScheduleTime"])
    assert meta.name(job) == f"tick-{int(scheduled // 60)}" == cron_job["status"]["active"][0]["name"]
    assert time.time() - 61 <= scheduled <= time.time()
    assert (await said(cluster, "SuccessfulCreate"))["message"] == f"Created job {meta.name(job)}"
    await cluster.until(PODS, lambda items: len(items) == 1)


async def test_a_job_that_succeeds_is_noted_and_kept_within_the_limit(cluster: Cluster) -> None:
    await overdue(cluster, successfulJobsHistoryLimit=0)
    (pod,) = await cluster.until(PODS, lambda items: items if len(items) == 1 else None)
    await cluster.set_pod(pod, phase="Succeeded")
    cron_job = await cluster.until_one(CRONJOBS, "tick", lambda each: each["status"].get("lastSuccessfulTime"))
    assert "active" not in cron_job["status"]
    await cluster.until(JOBS, lambda items: not items)
    await said(cluster, "SawCompletedJob")


async def test_what_still_runs_is_replaced_where_that_is_asked_for(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await overdue(cluster, concurrencyPolicy="Replace", beside_a_running_job=True)
        (job,) = await cluster.until(JOBS, lambda items: items if "tick-1" not in map(meta.name, items) and items else None)
        await cluster.until_one(
            CRONJOBS, "tick", lambda each: [job["name"] for job in each["status"].get("active") or ()] == [meta.name(job)]
        )


async def test_a_time_that_comes_while_a_job_runs_is_skipped_where_that_is_asked_for(cluster: Cluster) -> None:
    await overdue(cluster, concurrencyPolicy="Forbid", beside_a_running_job=True)
    await said(cluster, "JobAlreadyActive")
    assert [meta.name(each) for each in await cluster.items(JOBS)] == ["tick-1"]


async def test_a_listed_job_that_is_gone_is_struck_off(cluster: Cluster) -> None:
    await cluster.create(CRONJOBS, tick(suspend=True))
    gone = {"status": {"active": [{"kind": "Job", "name": "gone", "namespace": "default", "uid": "no-such"}]}}
    await cluster.client.patch(CRONJOBS, "tick", gone, namespace="default", subresource="status")
    await cluster.until_one(CRONJOBS, "tick", lambda each: not noted(each))
    await said(cluster, "MissingJob")


async def test_deleting_it_takes_its_jobs_along(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await overdue(cluster)
        await cluster.until(JOBS, lambda items: items)
        await cluster.client.delete(CRONJOBS, "tick", "default")
        await cluster.until(JOBS, lambda items: not items)
        await cluster.until(PODS, lambda items: not items)
