"""Containers with a restart policy of their own, as real containers."""

import pytest

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from tests.e2e.node.pods import Cluster, container, pod, shell

pytestmark = pytest.mark.containers
VOLUME: Object = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
ONCE = "if [ -e /v/again ]; then sleep 1000; fi; touch /v/again; sleep 0.5; exit 42"


def rule(action: str) -> list[Object]:
    return [{"action": action, "exitCodes": {"operator": "In", "values": [42]}}]


async def test_an_exit_code_restarts_a_container_that_else_would_not(cluster: Cluster) -> None:
    own = shell(ONCE, restartPolicy="Never", restartPolicyRules=rule("Restart"), **VOLUME)
    wanted = pod("ruled", own, volumes=[{"name": "v", "emptyDir": {}}], restartPolicy="Never")
    await cluster.create(wanted)
    found = await cluster.until("ruled", lambda each: bool(container(each).get("restartCount") and container(each)["ready"]))
    assert container(found)["lastState"]["terminated"]["exitCode"] == 42
    await cluster.delete("ruled", grace_s=0)


async def test_an_exit_code_restarts_all_containers_in_the_same_sandbox(cluster: Cluster) -> None:
    init = shell("echo x >> /v/inits", "init", **VOLUME)
    own = shell(ONCE, "once", restartPolicy="Never", restartPolicyRules=rule("RestartAllContainers"), **VOLUME)
    other = shell(lifecycle={"preStop": {"exec": {"command": ["touch", "/v/hook"]}}}, **VOLUME)
    wanted = pod("all", other, own, initContainers=[init], volumes=[{"name": "v", "emptyDir": {}}], restartPolicy="Never")
    wanted["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "main"}
    await cluster.create(wanted)
    first = await cluster.until("all", lambda each: bool(each["status"].get("podIP")))
    found = await cluster.until(
        "all", lambda each: meta.is_true(each, "Ready") and all(container(each, name)["restartCount"] == 1 for name in ("main", "once"))
    )
    assert found["status"]["podIP"] == first["status"]["podIP"]
    assert container(found, "init", "initContainerStatuses")["restartCount"] == 1
    assert meta.condition(found, "AllContainersRestarting")["status"] == "False"  # type: ignore[index]
    assert await cluster.shell("all", "cat /v/inits; ls /v/hook 2>/dev/null") == ("x\nx\n", 1)
    await cluster.delete("all", grace_s=0)


async def test_a_pod_ends_when_its_containers_have_ended_by_their_own_policies(cluster: Cluster) -> None:
    await cluster.create(pod("ends", shell("exit 3", restartPolicy="Never")))
    found = await cluster.until("ends", lambda each: each["status"].get("phase") == "Failed")
    assert container(found)["state"]["terminated"]["exitCode"] == 3
    assert await cluster.client.get(PODS, "ends", "default")
