"""Local storage that is limited, with real containers, and the figures that the node has of them."""

import asyncio

import pytest

from pilothouse.engine.node.stats.figures import ContainerFigures, PodFigures
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from tests.e2e.node.pods import Cluster, ended, pod, shell

pytestmark = pytest.mark.containers

HOLD = "sleep 1000"


def writes(path: str, mib: int) -> str:
    return f"dd if=/dev/zero of={path} bs=1M count={mib} 2>/dev/null; {HOLD}"


def is_evicted(found: Object) -> bool:
    return ended(found) and found["status"].get("reason") == "Evicted"


@pytest.mark.slow
async def test_a_pod_that_fills_its_volume_beyond_the_limit_is_evicted_and_another_is_not(cluster: Cluster) -> None:
    mount = [{"name": "v", "mountPath": "/v"}]
    volume = [{"name": "v", "emptyDir": {"sizeLimit": "2Mi"}}]
    await cluster.create(pod("full", shell(writes("/v/f", 4), volumeMounts=mount), volumes=volume, restartPolicy="Always"))
    await cluster.run(pod("modest", shell(writes("/v/f", 1), volumeMounts=mount), volumes=volume))
    evicted = await cluster.until("full", is_evicted, 40)
    assert evicted["status"]["message"] == 'Usage of EmptyDir volume "v" exceeds the limit "2Mi". '
    event = await cluster.said("full", "Evicted")
    assert (event["type"], event["reportingComponent"] or event["source"]["component"]) == ("Warning", "kubelet")
    modest = await cluster.client.get(PODS, "modest", "default")
    assert modest["status"]["phase"] == "Running"
    # Its volume is gone with it, and it may be made again.
    await cluster.delete("full")
    await cluster.run(pod("full", shell(writes("/v/f", 1), volumeMounts=mount), volumes=volume))


@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_a_container_that_writes_beyond_its_ephemeral_storage_is_evicted(cluster: Cluster) -> None:
    limited = {"limits": {"ephemeral-storage": "3Mi"}}
    await cluster.create(pod("scribe", shell(writes("/f", 8), resources=limited)))
    # The runtime looks at what a container has written once a minute, the node at what the runtime says every ten seconds.
    evicted = await cluster.until("scribe", is_evicted, 100)
    assert evicted["status"]["message"] == "Pod ephemeral local storage usage exceeds the total limit of containers 3Mi. "


async def test_figures_follow_what_a_container_does(cluster: Cluster) -> None:
    busy = shell("x=; while [ ${#x} -lt 4000000 ]; do x=0123456789012345678901234567890123456789$x$x; done; while true; do :; done", "busy")
    found = await cluster.run(pod("works", busy, shell(HOLD, "idle")))
    uid = found["metadata"]["uid"]

    shown, of = await _rated(cluster, uid)
    idle, working = of["idle"], of["busy"]
    assert working.cpu is not None
    assert working.memory is not None
    assert working.cpu.total_ns > 10 * (idle.cpu.total_ns if idle.cpu is not None else 0)
    assert working.memory.working_set_bytes > 4_000_000
    assert shown.cpu is not None
    assert shown.memory is not None
    assert shown.processes is not None
    assert shown.cpu.total_ns >= working.cpu.total_ns
    assert shown.memory.working_set_bytes >= working.memory.working_set_bytes * 9 // 10
    assert shown.processes >= 3
    assert [each.name for each in shown.interfaces] == ["eth0"]


async def _rated(cluster: Cluster, uid: str) -> tuple[PodFigures, dict[str, ContainerFigures]]:
    """The pod's figures once the rates of its containers are known, and one of them has done more than its start."""
    async with asyncio.timeout(30):
        while True:
            shown = (await cluster.agent.view.statistics.figures()).of(uid)
            of = {each.name: each for each in shown.containers} if shown is not None else {}
            cpu = {name: each.cpu for name, each in of.items() if each.cpu is not None and each.cpu.nanocores is not None}
            if shown is not None and len(cpu) == 2 and cpu["busy"].total_ns > 10 * cpu["idle"].total_ns:
                return shown, of
            await asyncio.sleep(1.1)
