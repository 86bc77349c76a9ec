"""Pods find their nodes in a simulated cluster, and those that find none are told why and found a place when there is one."""

import asyncio
from pathlib import Path

from pilothouse.engine.scheduler.sentence import no_node
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, NODES, PODS
from tests.engine.scheduler.config.test_file import config
from tests.simulation.cluster import NODE, Simulated, simulated
from tests.simulation.conftest import Play
from tests.simulation.objects import IMAGE, container, pod
from tests.simulation.virtual import virtually


def is_bound(found: Object | None) -> bool:
    return found is not None and found["spec"].get("nodeName") == NODE


def is_refused(found: Object | None) -> bool:
    return (meta.condition(found or {}, "PodScheduled") or {}).get("reason") == "Unschedulable"


def selecting(name: str = "p") -> Object:
    return pod(name, nodeSelector={"disk": "ssd"})


def test_a_pod_that_fits_nowhere_is_told_why_and_bound_as_soon_as_a_node_suits_it(play: Play) -> None:
    async def scene(cluster: Simulated) -> float:
        await cluster.create(PODS, selecting())
        found = await cluster.until(PODS, "p", is_refused)
        message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
        assert (meta.condition(found, "PodScheduled") or {})["message"] == message
        began = asyncio.get_running_loop().time()
        await cluster.patch(NODES, NODE, {"metadata": {"labels": {"disk": "ssd"}}})
        await cluster.until(PODS, "p", is_bound)
        return asyncio.get_running_loop().time() - began

    assert play(scene) < 1


def test_what_an_ended_pod_leaves_is_given_to_one_that_waits(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        node = await cluster.get(NODES, NODE) or {}
        cpu = int(node["status"]["allocatable"]["cpu"].rstrip("m")) if node["status"]["allocatable"]["cpu"].endswith("m") else None
        most = f"{cpu}m" if cpu else node["status"]["allocatable"]["cpu"]
        greedy = container(resources={"requests": {"cpu": most}})
        await cluster.runs(pod("first", greedy))
        await cluster.create(PODS, pod("second", greedy))
        await cluster.until(PODS, "second", is_refused)
        await cluster.client.delete(PODS, "first", "default")
        await cluster.until(PODS, "second", is_bound, 5)

    play(scene)


def test_a_pod_that_shuns_another_waits_until_that_is_gone_and_one_that_wants_it_near_until_it_comes(play: Play) -> None:
    place = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [place]}

    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.create(PODS, pod("near", affinity={"podAffinity": required}))
        found = await cluster.until(PODS, "near", is_refused)
        assert "1 node(s) didn't match pod affinity rules" in (meta.condition(found, "PodScheduled") or {})["message"]
        first = pod("first", affinity={"podAntiAffinity": required})
        first["metadata"]["labels"] = {"app": "web"}
        await cluster.runs(first)
        await cluster.until(PODS, "near", is_bound, 5)
        await cluster.create(PODS, first | {"metadata": first["metadata"] | {"name": "second"}})
        found = await cluster.until(PODS, "second", is_refused)
        assert "1 node(s) didn't match pod anti-affinity rules" in (meta.condition(found, "PodScheduled") or {})["message"]
        await cluster.client.delete(PODS, "first", "default")
        await cluster.until(PODS, "second", is_bound, 5)

    play(scene)


def test_a_refusal_is_said_once_while_nothing_changes(play: Play) -> None:
    async def scene(cluster: Simulated) -> int:
        await cluster.create(PODS, selecting())
        await asyncio.sleep(600)
        return sum(each["count"] for each in await cluster.items(EVENTS) if each["reason"] == "FailedScheduling")

    assert play(scene) == 1


def test_a_gated_pod_and_one_of_another_scheduler_are_left_alone(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        await cluster.create(PODS, pod("gated", schedulingGates=[{"name": "wait"}]))
        await cluster.create(PODS, pod("foreign", schedulerName="other"))
        await asyncio.sleep(60)
        assert not [each for each in await cluster.items(PODS) if each["spec"].get("nodeName")]
        await cluster.patch(PODS, "gated", [{"op": "remove", "path": "/spec/schedulingGates"}], type="application/json-patch+json")
        await cluster.until(PODS, "gated", is_bound)

    play(scene)


def test_each_profile_places_the_pods_that_ask_for_it_under_its_name(tmp_path: Path, state: Path) -> None:
    plugins = '{multiPoint: {disabled: [{name: NodeAffinity}]}, postFilter: {disabled: [{name: "*"}]}}'
    scheduling = config(f"profiles: [{{schedulerName: default-scheduler}}, {{schedulerName: careless, plugins: {plugins}}}]")

    async def whole() -> None:
        async with simulated(tmp_path / "node", state, scheduling) as cluster:
            await cluster.create(PODS, selecting("careful"))
            await cluster.create(PODS, selecting("any") | {"spec": selecting()["spec"] | {"schedulerName": "careless"}})
            await cluster.create(PODS, selecting("nobodys") | {"spec": selecting()["spec"] | {"schedulerName": "unknown"}})
            await cluster.until(PODS, "any", is_bound)
            await cluster.until(PODS, "careful", is_refused)
            # They look alike to all but their scheduler, and what wakes one need not wake the other.
            await cluster.patch(NODES, NODE, {"metadata": {"labels": {"disk": "ssd"}}})
            await cluster.until(PODS, "careful", is_bound, 5)
            events = await cluster.items(EVENTS)
            placed = {each["involvedObject"]["name"]: each["source"]["component"] for each in events if each["reason"] == "Scheduled"}
            assert placed == {"careful": "default-scheduler", "any": "careless"}
            left = await cluster.get(PODS, "nobodys") or {}
            assert (left["spec"].get("nodeName"), meta.condition(left, "PodScheduled")) == (None, None)

    virtually(whole)


def test_reasons_are_counted_in_the_sentence() -> None:
    from collections import Counter

    assert (
        no_node(Counter({"Too many pods": 2, "Insufficient cpu": 1}), 3) == "0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods."
    )
    assert no_node(Counter(), 0) == "no nodes available to schedule pods"
