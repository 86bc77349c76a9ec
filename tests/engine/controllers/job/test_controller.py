import time
from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, JOBS, PODS
from tests.engine.controllers.conftest import Cluster, kubelet

TRACKING = "batch.kubernetes.io/job-tracking"


def once(**spec: Any) -> dict[str, Any]:
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "work:1"}]}}
    return {"metadata": {"name": "once"}, "spec": {"template": pod} | spec}


def alive(items: list[Object]) -> list[Object]:
    return [pod for pod in items if not meta.is_deleting(pod) and pod["status"].get("phase") in ("Pending", "Running")]


def running(count: int) -> Any:
    return lambda items: found if len(found := alive(items)) == count else None


async def finish(cluster: Cluster, pod: Object, phase: str = "Succeeded", code: int = 0) -> None:
    ended = {"exitCode": code, "finishedAt": "2026-01-01T00:00:00Z", "reason": "Completed"}
    await cluster.set_pod(pod, phase=phase, containerStatuses=[_status(ended)])


def _status(terminated: dict[str, Any]) -> dict[str, Any]:
    shown = {"name": "c", "image": "work:1", "imageID": "", "ready": False, "restartCount": 0}
    return shown | {"state": {"terminated": terminated}}


def has(type_: str, reason: str) -> Any:
    def holds(job: Object) -> bool:
        found = meta.condition(job, type_)
        return found is not None and found["status"] == "True" and found["reason"] == reason

    return holds


async def test_a_job_runs_to_completion_and_counts_its_pods_once(cluster: Cluster) -> None:
    await cluster.create(JOBS, once(completions=3, parallelism=2))
    for left in (2, 2, 1):
        pods = await cluster.until(PODS, running(left))
        assert TRACKING in meta.finalizers(pods[0])
        await finish(cluster, pods[0])
    job = await cluster.until_one(JOBS, "once", has("Complete", "CompletionsReached"))
    assert job["status"]["succeeded"] == 3
    assert "active" not in job["status"]
    assert job["status"]["completionTime"]
    await cluster.until(PODS, lambda items: all(TRACKING not in meta.finalizers(pod) for pod in items))
    await cluster.until(EVENTS, lambda items: any(each["reason"] == "Completed" for each in items))


async def test_too_many_failures_fail_the_job(cluster: Cluster) -> None:
    await cluster.create(JOBS, once(backoffLimit=0))
    (pod,) = await cluster.until(PODS, running(1))
    await finish(cluster, pod, "Failed", 1)
    job = await cluster.until_one(JOBS, "once", has("Failed", "BackoffLimitExceeded"))
    assert job["status"]["failed"] == 1
    assert len(await cluster.items(PODS)) == 1


async def test_a_failed_pod_is_not_replaced_before_its_back_off(cluster: Cluster) -> None:
    await cluster.create(JOBS, once(backoffLimit=3))
    (pod,) = await cluster.until(PODS, running(1))
    await cluster.set_pod(pod, phase="Failed")
    await cluster.until_one(JOBS, "once", lambda job: job["status"].get("failed") == 1)
    assert len(await cluster.items(PODS)) == 1


async def test_a_failure_that_does_not_count_delays_the_next_try_all_the_same(cluster: Cluster) -> None:
    rules = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
    await cluster.create(JOBS, once(backoffLimit=0, podFailurePolicy={"rules": rules}))
    (pod,) = await cluster.until(PODS, running(1))
    await cluster.set_pod(pod, phase="Failed", conditions=[{"type": "DisruptionTarget", "status": "True"}])
    (pod,) = await cluster.until(PODS, lambda items: items if TRACKING not in meta.finalizers(items[0]) else None)
    await cluster.until_one(JOBS, "once", lambda job: not job["status"].get("active"))
    assert len(await cluster.items(PODS)) == 1


async def test_a_job_that_another_runs_still_goes_when_its_time_to_live_is_over(cluster: Cluster) -> None:
    await cluster.create(JOBS, once(managedBy="example.com/me", ttlSecondsAfterFinished=0, suspend=True))
    stamp = "2026-01-01T00:00:00Z"
    kinds = ("FailureTarget", "Failed")
    conditions = [{"type": kind, "status": "True", "reason": "R", "lastTransitionTime": stamp} for kind in kinds]
    status = {"startTime": stamp, "conditions": conditions}
    await cluster.client.patch(JOBS, "once", {"status": status}, namespace="default", subresource="status")
    await cluster.until(JOBS, lambda items: not items)


async def test_a_job_past_its_deadline_ends_its_pods_and_fails(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(JOBS, once(activeDeadlineSeconds=1))
        await cluster.until(PODS, running(1))
        await cluster.until_one(JOBS, "once", has("Failed", "DeadlineExceeded"))
        await cluster.until(PODS, lambda items: not alive(items))


async def test_each_index_of_an_indexed_job_runs_once(cluster: Cluster) -> None:
    await cluster.create(JOBS, once(completions=3, parallelism=3, completionMode="Indexed"))
    pods = await cluster.until(PODS, running(3))
    assert sorted(pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for pod in pods) == ["0", "1", "2"]
    assert any(each["name"] == "JOB_COMPLETION_INDEX" for each in pods[0]["spec"]["containers"][0]["env"])
    for pod in pods:
        await finish(cluster, pod)
    job = await cluster.until_one(JOBS, "once", has("Complete", "CompletionsReached"))
    assert job["status"]["completedIndexes"] == "0-2"


async def test_a_failed_pod_of_an_index_that_is_deleted_before_its_replacement_is_made_has_failed_all_the_same(cluster: Cluster) -> None:
    await cluster.create(JOBS, once(completions=1, completionMode="Indexed", backoffLimitPerIndex=3))
    (pod,) = await cluster.until(PODS, running(1))
    ended = {"exitCode": 1, "finishedAt": meta.rfc3339(time.time() - 8.5), "reason": "Error"}
    await cluster.set_pod(pod, phase="Failed", containerStatuses=[_status(ended)])
    await cluster.client.delete(PODS, meta.name(pod), "default", grace_s=0)
    held = await cluster.until_one(PODS, meta.name(pod), meta.is_deleting)
    assert TRACKING in meta.finalizers(held)
    (second,) = await cluster.until(PODS, running(1))
    assert meta.annotations(second)["batch.kubernetes.io/job-index-failure-count"] == "1"
    await cluster.until(PODS, lambda items: [meta.name(each) for each in items] == [meta.name(second)])
    await cluster.until_one(JOBS, "once", lambda job: job["status"].get("failed") == 1)


async def test_a_suspended_job_ends_its_pods_and_goes_on_when_resumed(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(JOBS, once())
        await cluster.until(PODS, running(1))
        await cluster.patch(JOBS, "once", {"spec": {"suspend": True}})
        job = await cluster.until_one(JOBS, "once", has("Suspended", "JobSuspended"))
        await cluster.until(EVENTS, lambda items: "Suspended" in [each["reason"] for each in items])
        await cluster.until(PODS, lambda items: not items)
        assert not job["status"].get("failed")
        await cluster.patch(JOBS, "once", {"spec": {"suspend": False}})
        await cluster.until(PODS, running(1))


async def test_a_job_that_was_suspended_from_the_beginning_runs_by_the_template_that_it_has_when_it_is_resumed(cluster: Cluster) -> None:
    await cluster.create(JOBS, once(suspend=True))
    await cluster.until_one(JOBS, "once", has("Suspended", "JobSuspended"))
    await cluster.patch(JOBS, "once", {"spec": {"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}}})
    await cluster.patch(JOBS, "once", {"spec": {"suspend": False}})
    (pod,) = await cluster.until(PODS, running(1))
    assert pod["spec"]["nodeSelector"] == {"disk": "ssd"}


async def test_a_job_that_replaces_failed_pods_alone_waits_for_one_that_is_ending(cluster: Cluster) -> None:
    await cluster.create(JOBS, once(podReplacementPolicy="Failed"))
    (pod,) = await cluster.until(PODS, running(1))
    await cluster.set_pod(pod, phase="Running")
    await cluster.patch(PODS, meta.name(pod), {"metadata": {"finalizers": [TRACKING, "example.com/slow"]}})
    await cluster.client.delete(PODS, meta.name(pod), "default", grace_s=5)
    job = await cluster.until_one(JOBS, "once", lambda each: each["status"].get("terminating") == 1)
    assert (job["status"].get("failed"), len(await cluster.items(PODS))) == (None, 1)
    await finish(cluster, pod, "Failed", 1)
    await cluster.until_one(JOBS, "once", lambda each: each["status"].get("failed") == 1)


async def test_a_job_is_left_to_the_controller_that_it_names(cluster: Cluster) -> None:
    await cluster.create(JOBS, once(managedBy="example.com/queue"))
    await cluster.create(JOBS, once(managedBy="kubernetes.io/job-controller") | {"metadata": {"name": "ours"}})
    await cluster.until_one(JOBS, "ours", lambda each: each["status"].get("active") == 1)
    assert "startTime" not in ((await cluster.get(JOBS, "once") or {}).get("status") or {})


async def test_a_job_that_has_succeeded_enough_ends_its_other_pods(cluster: Cluster) -> None:
    policy = {"rules": [{"succeededIndexes": "0"}]}
    async with kubelet(cluster):
        await cluster.create(JOBS, once(completions=3, parallelism=3, completionMode="Indexed", successPolicy=policy))
        pods = await cluster.until(PODS, running(3))
        first = next(each for each in pods if each["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] == "0")
        await finish(cluster, first)
        job = await cluster.until_one(JOBS, "once", has("Complete", "SuccessPolicy"))
        assert meta.condition(job, "SuccessCriteriaMet") is not None
        await cluster.until(PODS, lambda items: not alive(items))


async def test_a_finished_job_goes_when_its_time_to_live_is_over(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(JOBS, once(ttlSecondsAfterFinished=1))
        (pod,) = await cluster.until(PODS, running(1))
        await finish(cluster, pod)
        await cluster.until_one(JOBS, "once", has("Complete", "CompletionsReached"))
        await cluster.until(JOBS, lambda items: not items)
        await cluster.until(PODS, lambda items: not items)


async def test_deleting_a_job_leaves_no_pod_held_by_its_finalizer(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(JOBS, once(completions=2, parallelism=2))
        await cluster.until(PODS, running(2))
        await cluster.client.delete(JOBS, "once", "default", propagation="Background")
        await cluster.until(PODS, lambda items: not items)
