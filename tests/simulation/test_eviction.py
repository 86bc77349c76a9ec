"""Eviction in a whole cluster, by figures that the test sets: conditions, taints, who goes and what is said, and how it ends."""

import asyncio

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import DEPLOYMENTS, EVENTS, NODES, PODS
from tests.engine.node.figures import figures
from tests.simulation.cluster import NODE, Simulated
from tests.simulation.conftest import Play
from tests.simulation.fake_figures import GIB
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, deployment, pod
from tests.simulation.test_static import NAME, static, write

SHORT, ENOUGH = 50 << 20, 5 * GIB
PRESSURE = "node.kubernetes.io/memory-pressure"


async def runs(cluster: Simulated, name: str, memory_mib: int, **spec: object) -> Object:
    """A pod that runs and uses so much memory."""
    cluster.runtime.holds(IMAGE)
    made = await cluster.runs(pod(name, **spec))
    uses(cluster, made, memory_mib)
    return made


def uses(cluster: Simulated, made: Object, memory_mib: int) -> None:
    found = figures(meta.name(made), memory_mib=memory_mib)
    found.pod.update(made)
    cluster.figures.uses(found)


def is_evicted(found: Object | None) -> bool:
    return found is not None and (found["status"].get("phase"), found["status"].get("reason")) == ("Failed", "Evicted")


async def conditions(cluster: Simulated) -> set[str]:
    node = await cluster.get(NODES, NODE) or {}
    return {each["type"] for each in node["status"]["conditions"] if each["status"] == "True"}


async def taints(cluster: Simulated) -> set[str]:
    node = await cluster.get(NODES, NODE) or {}
    return {each["key"] for each in node["spec"].get("taints") or ()}


def test_the_greediest_pod_goes_first_one_at_a_time_until_there_is_enough(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        for name, memory_mib in (("small", 10), ("large", 300), ("middle", 100)):
            await runs(cluster, name, memory_mib)
        cluster.figures.memory_available(SHORT)
        evicted = await cluster.until(PODS, "large", is_evicted, 20)
        cluster.figures.memory_available(ENOUGH)
        message = evicted["status"]["message"]
        assert message.startswith("The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. ")
        assert (meta.condition(evicted, "DisruptionTarget") or {})["reason"] == "TerminationByKubelet"
        await asyncio.sleep(60)
        left = {meta.name(each): each["status"]["phase"] for each in await cluster.items(PODS)}
        assert left == {"small": "Running", "middle": "Running", "large": "Failed"}
        said = {(each["reason"], each["involvedObject"]["name"]) for each in await cluster.items(EVENTS, None)}
        assert {("Evicted", "large"), ("EvictionThresholdMet", NODE)} <= said

    play(scene)


def test_condition_and_taint_come_at_once_and_go_after_the_transition(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        assert await conditions(cluster) == {"Ready"}
        cluster.figures.memory_available(SHORT)
        await asyncio.sleep(12)
        assert (await conditions(cluster), await taints(cluster)) == ({"Ready", "MemoryPressure"}, {PRESSURE})
        cluster.figures.memory_available(ENOUGH)
        await asyncio.sleep(280)
        assert await taints(cluster) == {PRESSURE}
        await asyncio.sleep(40)
        assert (await conditions(cluster), await taints(cluster)) == ({"Ready"}, set())
        # And again, as the first time.
        cluster.figures.memory_available(SHORT)
        await asyncio.sleep(12)
        assert await taints(cluster) == {PRESSURE}

    play(scene)


def test_a_pod_gets_a_second_to_end_whatever_it_has_asked_for(play: Play) -> None:
    async def scene(cluster: Simulated) -> list[int]:
        cluster.runtime.programs[IMAGE] = Program(term_s=None)
        await runs(cluster, "p", 100, terminationGracePeriodSeconds=600)
        cluster.figures.memory_available(SHORT)
        await cluster.until(PODS, "p", is_evicted, 30)
        return [each.grace_s for each in cluster.runtime.called("StopContainer")]

    assert play(scene) == [1]


def test_pods_of_the_system_stay_though_they_use_most(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        critical = await runs(cluster, "critical", 900)
        critical["spec"]["priority"] = 2_000_000_000
        cluster.worker("critical")._handle.object = critical
        uses(cluster, critical, 900)
        await runs(cluster, "p", 1)
        cluster.figures.memory_available(SHORT)
        await cluster.until(PODS, "p", is_evicted, 20)
        await asyncio.sleep(120)
        assert ((await cluster.get(PODS, "critical")) or {})["status"]["phase"] == "Running"

    play(scene)


def test_a_static_pod_stays_though_it_uses_most(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        write(cluster, static())
        await cluster.until(PODS, NAME, lambda found: found is not None and meta.is_true(found, "Ready"), 60)
        own = figures(NAME, memory_mib=900)
        own.pod.update(cluster.agent.static()[0].pod)
        cluster.figures.uses(own)
        await runs(cluster, "p", 1)
        cluster.figures.memory_available(SHORT)
        await cluster.until(PODS, "p", is_evicted, 20)
        await asyncio.sleep(60)
        assert len(cluster.runtime.running()) == 1

    play(scene)


def test_while_there_is_pressure_pods_without_requests_are_turned_away(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.figures.memory_available(SHORT)
        await asyncio.sleep(12)
        await cluster.create(PODS, pod("late", nodeName=NODE))
        refused = await cluster.until(PODS, "late", is_evicted, 20)
        assert refused["status"]["message"] == "The node had condition: [MemoryPressure]. "
        assert not cluster.runtime.called("RunPodSandbox")

    play(scene)


def test_pods_of_one_owner_that_are_turned_away_come_ever_more_slowly_and_start_when_the_pressure_is_over(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.figures.memory_available(SHORT)
        await asyncio.sleep(12)
        await cluster.create(DEPLOYMENTS, deployment(pod={"nodeName": NODE}))
        await asyncio.sleep(300)
        assert 3 <= len(await cluster.items(PODS)) <= 12
        cluster.figures.memory_available(ENOUGH)
        await cluster.until(DEPLOYMENTS, "d", lambda found: found is not None and found["status"].get("readyReplicas") == 1, 1200)

    play(scene)


def test_a_short_disk_is_first_made_room_on_by_what_nobody_uses(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        await runs(cluster, "p", 1)
        cluster.runtime.holds("unused:1")
        await asyncio.sleep(200)
        cluster.figures.first = lambda: cluster.figures.disk_available(GIB if "unused:1" in cluster.runtime.stock else 80 * GIB)
        await asyncio.sleep(60)
        assert "unused:1" not in cluster.runtime.stock
        assert IMAGE in cluster.runtime.stock
        assert ((await cluster.get(PODS, "p")) or {})["status"]["phase"] == "Running"

    play(scene)


def test_a_pod_over_its_volumes_limit_goes_without_any_pressure(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        volume = {"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}
        made = await runs(cluster, "p", 1, volumes=[volume])
        over = figures("p", volumes_mib={"v": 2})
        over.pod.update(made)
        cluster.figures.uses(over)
        evicted = await cluster.until(PODS, "p", is_evicted, 20)
        assert evicted["status"]["message"] == 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '
        assert await conditions(cluster) == {"Ready"}
        assert meta.condition(evicted, "DisruptionTarget") is None
        # What has ended is not evicted over and over.
        await asyncio.sleep(100)
        said = [each for each in await cluster.items(EVENTS) if each["reason"] == "Evicted"]
        assert [each["count"] for each in said] == [1]

    play(scene)


def test_a_look_that_fails_is_made_again(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        await runs(cluster, "p", 100)
        cluster.figures.fails = True
        cluster.figures.memory_available(SHORT)
        await asyncio.sleep(60)
        assert ((await cluster.get(PODS, "p")) or {})["status"]["phase"] == "Running"
        cluster.figures.fails = False
        await cluster.until(PODS, "p", is_evicted, 20)

    play(scene)


def test_the_looks_are_ten_seconds_apart_even_when_nothing_can_be_evicted(play: Play) -> None:
    async def scene(cluster: Simulated) -> int:
        cluster.figures.memory_available(1)
        before = cluster.figures.looks
        await asyncio.sleep(600)
        return cluster.figures.looks - before

    assert 55 <= play(scene) <= 62


def test_pods_are_measured_only_when_the_node_is_short_or_one_of_them_has_a_limit_of_its_own(play: Play) -> None:
    async def scene(cluster: Simulated) -> list[int]:
        found = []
        await runs(cluster, "plain", 100)
        await asyncio.sleep(60)
        found.append(cluster.figures.measurements)
        await runs(cluster, "limited", 100, volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}])
        await asyncio.sleep(15)
        found.append(min(1, cluster.figures.measurements))
        return found

    assert play(scene) == [0, 1]


def test_what_the_node_ends_itself_is_told_so_before_it_is_killed(play: Play) -> None:
    """The longest grace at a soft threshold is none at all, unless somebody sets another."""

    async def scene(cluster: Simulated) -> None:
        await runs(cluster, "p", 10)
        cluster.worker("p").evict("Evicted", "said", grace_s=0, disrupts=True)
        await cluster.until(PODS, "p", is_evicted, 20)
        assert [each.grace_s for each in cluster.runtime.called("StopContainer")] == [1]

    play(scene)
