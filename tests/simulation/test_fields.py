"""What pods ask for and a node cannot give does no harm, in virtual time."""

import asyncio

from pilothouse.engine.node.runtime.seam import Features, HandlerFeatures
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import DEPLOYMENTS, EVENTS, PODS
from tests.simulation.cluster import Simulated, until
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, container, deployment, pod

VOLUMES: list[Object] = [{"name": "v", "image": {"reference": "data:1"}}]


async def said(cluster: Simulated, reason: str) -> int:
    return sum(each["count"] for each in await cluster.items(EVENTS) if each["reason"] == reason)


def test_an_image_for_a_volume_that_cannot_be_had_is_tried_ever_less_often(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.create(PODS, pod(volumes=VOLUMES))
        await asyncio.sleep(600)
        assert 3 <= len(cluster.runtime.called("PullImage")) <= 7
        assert await said(cluster, "FailedMount") <= 20
        await cluster.client.delete(PODS, "p", "default", grace_s=0)
        await until(lambda: not cluster.runtime.boxes, 5)

    play(scene)


def test_the_containers_that_mount_it_say_why_an_image_cannot_be_had(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        mounting = container(volumeMounts=[{"name": "v", "mountPath": "/v"}])
        await cluster.create(PODS, pod("p", mounting, container("other"), volumes=VOLUMES))
        for reason in ("ErrImagePull", "ImagePullBackOff"):
            found = await cluster.until(PODS, "p", lambda each, reason=reason: waiting(each).get("main", {}).get("reason") == reason, 60)
            assert waiting(found)["main"]["message"].startswith('volume "v": ')
            assert waiting(found)["other"] == {"reason": "ContainerCreating"}
        assert await said(cluster, "FailedMount") == 0
        cluster.runtime.remote.add("data:1")
        await cluster.until(PODS, "p", lambda each: waiting(each).get("main") == {"reason": "ContainerCreating"}, 300)
        never: list[Object] = [{"name": "v", "image": {"reference": "absent:1", "pullPolicy": "Never"}}]
        await cluster.create(PODS, pod("q", mounting, volumes=never))
        await cluster.until(PODS, "q", lambda each: waiting(each).get("main", {}).get("reason") == "ErrImageNeverPull", 60)

    play(scene)


def waiting(found: Object | None) -> dict[str, Object]:
    statuses = ((found or {}).get("status") or {}).get("containerStatuses") or ()
    return {each["name"]: each["state"].get("waiting") or {} for each in statuses}


def test_an_image_for_a_volume_is_pulled_once_and_what_fails_then_is_said(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.remote.add("data:1")
        await cluster.create(PODS, pod(volumes=VOLUMES))
        await asyncio.sleep(300)
        assert len(cluster.runtime.called("PullImage")) == 1
        events = [each["message"] for each in await cluster.items(EVENTS) if each["reason"] == "FailedMount"]
        assert any('volume "v" : a fake runtime has no layers' in each for each in events)

    play(scene)


def test_a_pod_that_the_node_rejects_has_failed_and_nothing_of_it_was_made(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        strict: Object = {"securityContext": {"supplementalGroupsPolicy": "Strict"}}
        await cluster.create(PODS, pod(**strict))
        found = await cluster.until(PODS, "p", lambda each: each is not None and each["status"].get("phase") == "Failed")
        assert found["status"]["reason"] == "SupplementalGroupsPolicyNotSupported"
        await asyncio.sleep(300)
        assert "containerStatuses" not in (await cluster.client.get(PODS, "p", "default"))["status"]
        assert cluster.runtime.called("RunPodSandbox") == []
        cluster.runtime.can = Features({"": HandlerFeatures()}, supplemental_groups_policy=True)
        await cluster.runs(pod("q", **strict))

    play(scene)


def test_a_deployment_whose_pods_are_rejected_makes_few_of_them(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.create(DEPLOYMENTS, deployment(pod={"securityContext": {"supplementalGroupsPolicy": "Strict"}}))
        await asyncio.sleep(600)
        pods = await cluster.items(PODS)
        assert 5 <= len(pods) <= 12
        waiting = [each for each in pods if each["status"]["phase"] == "Pending"]
        assert len(waiting) == 1
        events = [each["message"] for each in await cluster.items(EVENTS) if each["reason"] == "FailedSync"]
        assert any("the pod is rejected in" in each for each in events)
        await cluster.client.delete(PODS, meta.name(waiting[0]), "default")
        await cluster.until(PODS, meta.name(waiting[0]), lambda found: found is None, 5)

    play(scene)


def test_an_exit_that_restarts_all_containers_does_so_ever_less_often(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE, "short:1")
        cluster.runtime.programs["short:1"] = Program(runs_s=1, code=42)
        rules = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]
        short = container("short", "short:1", restartPolicy="Never", restartPolicyRules=rules)
        init = container("init", "short:1", restartPolicyRules=[], restartPolicy="OnFailure")
        cluster.runtime.programs["init:1"] = Program(runs_s=1)
        cluster.runtime.holds("init:1")
        init["image"] = "init:1"
        await cluster.create(PODS, pod("p", container(), short, initContainers=[init], restartPolicy="Never"))
        await asyncio.sleep(600)
        found = await cluster.client.get(PODS, "p", "default")
        counts = {each["name"]: each["restartCount"] for each in found["status"]["containerStatuses"]}
        assert counts["main"] == counts["short"]
        assert 4 <= counts["short"] <= 8
        assert len(cluster.runtime.called("RunPodSandbox")) == 1

    play(scene)
