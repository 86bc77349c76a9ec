"""A disk without room, and probes without an answer."""

import pytest

from pilothouse.engine.node.files.mountpoints import mount_memory, unmount
from pilothouse.model.kinds import PODS
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import Cluster, container, is_ready, pod, shell

pytestmark = pytest.mark.containers


async def test_a_pod_waits_for_room_on_a_full_disk_and_then_runs(machine: Machine, cluster: Cluster) -> None:
    folder = machine.config.pods_dir
    mount_memory(folder, "size=8k,mode=750")
    try:
        (folder / "full").write_bytes(b"x" * 8192)
        await cluster.create(pod("crowded", volumes=[{"name": "v", "emptyDir": {}}]))
        event = await cluster.said("crowded", "Failed")
        assert "No space left on device" in event["message"], event["message"]
        (folder / "full").unlink()
        await cluster.until("crowded", is_ready, 60)
        await cluster.delete("crowded", 1)
        assert not list(folder.iterdir())
    finally:
        unmount(folder)


HANGING = {
    "exec": {"exec": {"command": ["sleep", "1000"]}},
    "tcp": {"tcpSocket": {"port": 9, "host": "192.0.2.1"}},
    "http": {"httpGet": {"port": 8081}},
}


@pytest.mark.parametrize("kind", HANGING)
async def test_a_probe_that_hangs_fails_in_its_time_and_leaves_nothing_behind(cluster: Cluster, kind: str) -> None:
    script = "trap 'exit 0' TERM; (while :; do nc -l -p 8081 -e sleep 1000; done) & sleep 1000 & wait"
    probe = HANGING[kind] | {"timeoutSeconds": 1, "periodSeconds": 1, "failureThreshold": 2}
    name = f"hangs-{kind}"
    await cluster.create(pod(name, shell(script, livenessProbe=probe), shell(name="well")))
    await cluster.until(name, lambda found: container(found).get("restartCount", 0) >= 1, 30)
    found = await cluster.client.get(PODS, name, "default")
    assert container(found, "well")["restartCount"] == 0
    assert "probe failed" in (await cluster.said(name, "Unhealthy"))["message"]
    await cluster.delete(name, 1)
