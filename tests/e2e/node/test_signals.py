"""How real containers are told to end, and what kernels and runtimes refuse."""

import asyncio

import pytest

from pilothouse.model.kinds import PODS
from tests.e2e.node.pods import Cluster, container, pod, shell

pytestmark = pytest.mark.containers
WAITS = "trap 'echo usr1; exit 7' USR1; trap 'echo term; exit 8' TERM; echo up; while :; do sleep 0.05; done"


async def test_a_container_ends_by_the_signal_that_it_asks_for(cluster: Cluster) -> None:
    wanted = pod("asks", shell(WAITS, lifecycle={"stopSignal": "SIGUSR1"}), os={"name": "linux"}, activeDeadlineSeconds=3)
    found = await cluster.finish(wanted)
    assert found["status"]["reason"] == "DeadlineExceeded"
    assert container(found)["state"]["terminated"]["exitCode"] == 7
    assert container(found)["stopSignal"] == "SIGUSR1"
    assert await cluster.logs("asks") == "up\nusr1\n"


async def test_a_container_that_ignores_its_signal_is_killed_when_the_grace_is_over(cluster: Cluster) -> None:
    deaf = shell("trap '' USR1 TERM; while :; do sleep 0.05; done", lifecycle={"stopSignal": "SIGUSR1"})
    await cluster.run(pod("deaf", deaf, os={"name": "linux"}))
    began = asyncio.get_running_loop().time()
    await cluster.delete("deaf", grace_s=2)
    assert asyncio.get_running_loop().time() - began >= 2


async def test_a_grace_that_is_shortened_sends_the_signal_once(cluster: Cluster) -> None:
    counts = shell("trap 'echo usr1' USR1; while :; do sleep 0.05; done", lifecycle={"stopSignal": "SIGUSR1"})
    await cluster.run(pod("once", counts, os={"name": "linux"}))
    await cluster.client.delete(PODS, "once", "default", grace_s=30)
    async with asyncio.timeout(25):
        while await cluster.logs("once") != "usr1\n":
            await asyncio.sleep(0.05)
    await cluster.client.delete(PODS, "once", "default", grace_s=1)
    said = await cluster.logs("once", follow=True)
    assert said == "usr1\n"
    await cluster.gone("once")


async def test_a_kernel_parameter_that_the_node_does_not_allow_fails_the_pod(cluster: Cluster) -> None:
    # The test's API server allows it: this is the node's word.
    found = await cluster.finish(pod("tuned", securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "9999"}]}))
    assert (found["status"]["phase"], found["status"]["reason"]) == ("Failed", "SysctlForbidden")
    assert 'forbidden sysctl: "kernel.msgmax"' in (await cluster.said("tuned", "SysctlForbidden"))["message"]


async def test_a_kernel_parameter_that_is_allowed_is_set(cluster: Cluster) -> None:
    wanted = {"sysctls": [{"name": "fs/mqueue/msg_max", "value": "77"}]}
    await cluster.finish(pod("set", shell("cat /proc/sys/fs/mqueue/msg_max"), securityContext=wanted, restartPolicy="Never"))
    assert await cluster.logs("set") == "77\n"


async def test_groups_of_the_image_are_left_out_or_the_pod_is_rejected(cluster: Cluster) -> None:
    strict = {"supplementalGroupsPolicy": "Strict", "supplementalGroups": [4000]}
    found = await cluster.finish(pod("strict", shell("id -G"), securityContext=strict, restartPolicy="Never"))
    if found["status"]["phase"] == "Succeeded":
        assert await cluster.logs("strict") == "0 4000\n"
    else:
        assert found["status"]["reason"] == "SupplementalGroupsPolicyNotSupported"
