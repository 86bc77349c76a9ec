from typing import Any

from pilothouse.engine.controllers.history.revisions import template_of
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONTROLLERREVISIONS, EVENTS, PODS, STATEFULSETS
from tests.engine.controllers.conftest import Cluster, kubelet

LABELS = {"app": "db"}


def template(image: str = "db:1") -> dict[str, Any]:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}]}}


def db(replicas: int = 3, image: str = "db:1", **spec: Any) -> dict[str, Any]:
    wanted = {"replicas": replicas, "serviceName": "db", "selector": {"matchLabels": LABELS}, "template": template(image)}
    return {"metadata": {"name": "db"}, "spec": wanted | spec}


def images(items: list[Object]) -> dict[str, str]:
    return {meta.name(pod): pod["spec"]["containers"][0]["image"] for pod in items if not meta.is_deleting(pod)}


def all_of(count: int, image: str = "db:1") -> Any:
    return lambda items: images(items) == {f"db-{number}": image for number in range(count)}


def rolled_out(replicas: int) -> Any:
    def holds(found: Object) -> bool:
        status = found["status"]
        is_same = status.get("currentRevision") == status.get("updateRevision") != ""
        counts = (status.get("availableReplicas"), status.get("updatedReplicas", 0), status["replicas"])
        return is_same and counts == (replicas,) * 3 and status.get("observedGeneration") == meta.generation(found)

    return holds


async def set_image(cluster: Cluster, image: str) -> None:
    await cluster.patch(STATEFULSETS, "db", {"spec": {"template": template(image)}})


def says(reason: str, words: str = "") -> Any:
    return lambda items: any(each["reason"] == reason and words in each["message"] for each in items)


async def test_pods_come_one_after_the_other(cluster: Cluster) -> None:
    await cluster.create(STATEFULSETS, db())
    (first,) = await cluster.until(PODS, lambda items: items if len(items) == 1 else None)
    assert meta.name(first) == "db-0"
    assert (first["spec"]["hostname"], first["spec"]["subdomain"]) == ("db-0", "db")
    await cluster.make_ready(first)
    second = await cluster.until_one(PODS, "db-1", lambda _: True)
    assert len(await cluster.items(PODS)) == 2
    await cluster.make_ready(second)
    await cluster.make_ready(await cluster.until_one(PODS, "db-2", lambda _: True))
    await cluster.until_one(STATEFULSETS, "db", rolled_out(3))


async def test_a_set_with_a_long_name_has_pods(cluster: Cluster) -> None:
    name = "d" * 58
    await cluster.create(STATEFULSETS, db(1) | {"metadata": {"name": name}})
    pod = await cluster.until_one(PODS, f"{name}-0", lambda _: True)
    found = await cluster.until_one(STATEFULSETS, name, lambda each: each["status"].get("updateRevision"))
    assert meta.labels(pod)["controller-revision-hash"] == found["status"]["updateRevision"]


async def test_parallel_pods_come_together(cluster: Cluster) -> None:
    await cluster.create(STATEFULSETS, db(podManagementPolicy="Parallel"))
    await cluster.until(PODS, all_of(3))


async def test_a_pod_that_is_gone_or_has_failed_comes_back_under_its_name(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(STATEFULSETS, db(2))
        shown = await cluster.until_one(STATEFULSETS, "db", rolled_out(2))
        before = {meta.name(pod): meta.uid(pod) for pod in await cluster.items(PODS)}
        await cluster.client.delete(PODS, "db-0", "default")
        await cluster.until_one(PODS, "db-0", lambda pod: meta.uid(pod) != before["db-0"])
        (failed,) = [pod for pod in await cluster.items(PODS) if meta.name(pod) == "db-1"]
        await cluster.set_pod(failed, phase="Failed")
        again = await cluster.until_one(PODS, "db-1", lambda pod: meta.uid(pod) != before["db-1"])
        assert meta.labels(again)["controller-revision-hash"] == shown["status"]["updateRevision"]


async def test_a_new_template_rolls_from_the_last_pod_to_the_first_and_back(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(STATEFULSETS, db())
        first = await cluster.until_one(STATEFULSETS, "db", rolled_out(3))
        await set_image(cluster, "db:2")
        await cluster.until_one(STATEFULSETS, "db", rolled_out(3))
        assert images(await cluster.items(PODS)) == dict.fromkeys(("db-0", "db-1", "db-2"), "db:2")
        await set_image(cluster, "db:1")
        again = await cluster.until_one(STATEFULSETS, "db", rolled_out(3))
        assert again["status"]["currentRevision"] == first["status"]["currentRevision"]
        kept = await cluster.items(CONTROLLERREVISIONS)
        assert sorted((each["revision"], (template_of(each) or {})["spec"]["containers"][0]["image"]) for each in kept) == [
            (2, "db:2"),
            (3, "db:1"),
        ]


async def test_pods_below_the_partition_keep_their_template_even_when_they_are_replaced(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(STATEFULSETS, db(updateStrategy={"rollingUpdate": {"partition": 2}}))
        await cluster.until_one(STATEFULSETS, "db", rolled_out(3))
        await set_image(cluster, "db:2")
        await cluster.until(PODS, lambda items: images(items) == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:2"})
        uid = next(meta.uid(pod) for pod in await cluster.items(PODS) if meta.name(pod) == "db-0")
        await cluster.client.delete(PODS, "db-0", "default")
        back = await cluster.until_one(PODS, "db-0", lambda pod: meta.uid(pod) != uid)
        assert back["spec"]["containers"][0]["image"] == "db:1"
        shown = await cluster.until_one(STATEFULSETS, "db", lambda each: each["status"].get("updatedReplicas") == 1)
        assert shown["status"]["currentRevision"] != shown["status"]["updateRevision"]


async def test_on_delete_waits_for_somebody_to_delete(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(STATEFULSETS, db(2, updateStrategy={"type": "OnDelete"}))
        await cluster.until_one(STATEFULSETS, "db", rolled_out(2))
        await set_image(cluster, "db:2")
        await cluster.until_one(STATEFULSETS, "db", lambda each: each["status"]["observedGeneration"] == 2)
        assert images(await cluster.items(PODS)) == {"db-0": "db:1", "db-1": "db:1"}
        await cluster.client.delete(PODS, "db-1", "default")
        await cluster.until(PODS, lambda items: images(items) == {"db-0": "db:1", "db-1": "db:2"})


async def test_scaling_down_leaves_the_first_pods(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(STATEFULSETS, db())
        await cluster.until_one(STATEFULSETS, "db", rolled_out(3))
        await cluster.patch(STATEFULSETS, "db", {"spec": {"replicas": 1}})
        await cluster.until_one(STATEFULSETS, "db", rolled_out(1))
        assert images(await cluster.items(PODS)) == {"db-0": "db:1"}


async def test_the_history_is_kept_within_its_limit(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(STATEFULSETS, db(1, revisionHistoryLimit=1))
        for image in ("db:1", "db:2", "db:3"):
            await set_image(cluster, image)
            await cluster.until_one(STATEFULSETS, "db", rolled_out(1))
        await cluster.until(CONTROLLERREVISIONS, lambda items: sorted(each["revision"] for each in items) == [2, 3])


async def test_a_broken_pod_of_an_older_template_is_named_and_deleting_it_lets_the_update_go_on(cluster: Cluster) -> None:
    await cluster.create(STATEFULSETS, db(2, image="broken"))
    await cluster.until_one(PODS, "db-0", lambda _: True)
    await set_image(cluster, "db:2")
    await cluster.until(EVENTS, says("RolloutBlocked", "db-0"))
    assert images(await cluster.items(PODS)) == {"db-0": "broken"}
    async with kubelet(cluster):
        await cluster.client.delete(PODS, "db-0", "default")
        await cluster.until_one(STATEFULSETS, "db", rolled_out(2))
    assert images(await cluster.items(PODS)) == {"db-0": "db:2", "db-1": "db:2"}


async def test_orphans_with_the_right_names_are_adopted_and_labelled(cluster: Cluster) -> None:
    spec = template()["spec"]
    for name in ("db-0", "db-other"):
        await cluster.create(PODS, {"metadata": {"name": name, "labels": LABELS}, "spec": spec})
    await cluster.create(STATEFULSETS, db(1, updateStrategy={"type": "OnDelete"}))
    adopted = await cluster.until_one(PODS, "db-0", lambda pod: "apps.kubernetes.io/pod-index" in meta.labels(pod))
    assert (meta.controller_of(adopted) or {})["kind"] == "StatefulSet"
    assert all(meta.controller_of(pod) is None for pod in await cluster.items(PODS) if meta.name(pod) == "db-other")


async def test_a_name_that_another_pod_has_is_said_and_taken_when_it_is_free(cluster: Cluster) -> None:
    await cluster.create(PODS, {"metadata": {"name": "db-0", "labels": {"app": "other"}}, "spec": template()["spec"]})
    await cluster.create(STATEFULSETS, db(1))
    await cluster.until(EVENTS, says("FailedCreate", "create Pod db-0 in StatefulSet db failed error"))
    await cluster.client.delete(PODS, "db-0", "default", grace_s=0)
    await cluster.until_one(PODS, "db-0", lambda pod: meta.labels(pod)["app"] == "db")


async def test_deleting_the_set_takes_pods_and_revisions_along(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(STATEFULSETS, db(2))
        await cluster.until_one(STATEFULSETS, "db", rolled_out(2))
        await cluster.client.delete(STATEFULSETS, "db", "default", propagation="Foreground")
        await cluster.until(STATEFULSETS, lambda items: not items)
        await cluster.until(PODS, lambda items: not items)
        await cluster.until(CONTROLLERREVISIONS, lambda items: not items)


async def test_orphaned_pods_are_taken_over_by_a_set_of_that_name(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(STATEFULSETS, db(2))
        await cluster.until_one(STATEFULSETS, "db", rolled_out(2))
        before = {meta.uid(pod) for pod in await cluster.items(PODS)}
        await cluster.client.delete(STATEFULSETS, "db", "default", propagation="Orphan")
        await cluster.until(STATEFULSETS, lambda items: not items)
        await cluster.create(STATEFULSETS, db(2))
        await cluster.until_one(STATEFULSETS, "db", rolled_out(2))
        assert {meta.uid(pod) for pod in await cluster.items(PODS)} == before
