"""What the node shows of its pods to the kubelet API."""

import asyncio

from pilothouse.engine.node.runtime.seam import ExecResult
from pilothouse.model.kinds import PODS
from tests.simulation.cluster import Simulated
from tests.simulation.conftest import Play
from tests.simulation.objects import IMAGE, container, pod
from tests.simulation.test_static import NAME, shown, static, write


def test_probes_are_counted_by_kind_and_result_until_their_pod_goes(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        command = {"exec": {"command": ["ready"]}, "periodSeconds": 10}
        made = await cluster.runs(pod("p", container(readinessProbe=command)))
        cluster.runtime.execs["ready",] = ExecResult(b"", b"no", 1)
        await asyncio.sleep(35)
        lines = cluster.agent.view.probe_metrics()
        about = f'container="main",namespace="default",pod="p",pod_uid="{made["metadata"]["uid"]}",probe_type="Readiness"'
        counts = {line.partition("result=")[2].split("}")[0]: int(line.rpartition(" ")[2]) for line in lines if about in line}
        assert counts['"successful"'] >= 1
        assert 2 <= counts['"failed"'] <= 4
        await cluster.client.delete(PODS, "p", "default", grace_s=0)
        await asyncio.sleep(5)
        assert cluster.agent.view.probe_metrics() == []

    play(scene)


def test_pods_and_containers_are_counted_and_what_has_ended_is_no_source_of_figures(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(pod("stays"))
        await cluster.runs(pod("ends", restartPolicy="Never"))
        metrics = cluster.agent.view.metrics()
        assert "kubelet_running_pods 2" in metrics
        assert 'kubelet_running_containers{container_state="running"} 2' in metrics
        worker = cluster.worker("ends")
        cluster.runtime.exit(worker.believed_alive()[0])
        await cluster.until(PODS, "ends", lambda found: found is not None and found["status"]["phase"] == "Succeeded", 20)
        await asyncio.sleep(5)
        assert [each.pod["metadata"]["name"] for each in cluster.agent.view.sources()] == ["stays"]
        assert "kubelet_running_pods 1" in cluster.agent.view.metrics()
        assert {each["metadata"]["name"] for each in cluster.agent.view.pods()} == {"stays", "ends"}

    play(scene)


def test_a_static_pod_is_found_by_the_uid_of_its_mirror(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        write(cluster, static())
        mirror = await shown(cluster)
        found = cluster.agent.view.pod(mirror["metadata"]["uid"])
        assert found is not None
        assert found["metadata"]["name"] == NAME
        assert cluster.agent.view.pod("nosuch") is None

    play(scene)
