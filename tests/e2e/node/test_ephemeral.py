"""Ephemeral containers for real: in the target's processes, with logs, exec and attach, and taken over by the next agent."""

import asyncio
from typing import Any

import pytest

from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import SLEEPER, Cluster, container, is_ready, pod, shell
from tests.e2e.node.session import first_objects, session

pytestmark = pytest.mark.containers

KIND = "ephemeralContainerStatuses"


async def add(cluster: Cluster, name: str, script: str = SLEEPER, called: str = "debugger", **more: Any) -> Object:
    patch = {"spec": {"ephemeralContainers": [shell(script, called, **more)]}}
    return await cluster.client.patch(PODS, name, patch, namespace="default", type=STRATEGIC_PATCH, subresource="ephemeralcontainers")


def is_in(state: str, called: str = "debugger") -> Any:
    return lambda found: state in (container(found, called, KIND).get("state") or {})


async def test_it_sees_the_processes_and_the_network_of_its_target(cluster: Cluster) -> None:
    await cluster.run(pod("eph", shell("echo secret > /tmp/file; httpd -p 80 -h /tmp; exec sleep 4321")))
    script = "ps; wget -qO- 127.0.0.1/file; cat /proc/1/root/tmp/file; exit 3"
    await add(cluster, "eph", script, targetContainerName="main")
    found = await cluster.until("eph", is_in("terminated"))
    said = await cluster.logs("eph", container="debugger")
    assert "sleep 4321" in said
    assert said.count("secret\n") == 2
    ended = container(found, "debugger", KIND)["state"]["terminated"]
    assert (ended["exitCode"], is_ready(found), container(found)["restartCount"]) == (3, True, 0)


async def test_without_a_target_it_has_processes_of_its_own(cluster: Cluster) -> None:
    await cluster.run(pod("eph", shell("exec sleep 4321")))
    await add(cluster, "eph", "ps; exec sleep 1000")
    await cluster.until("eph", is_in("running"))
    assert "sleep 4321" not in await cluster.logs("eph", container="debugger")


async def test_it_is_attached_to_while_its_target_crashes(cluster: Cluster) -> None:
    await cluster.create(pod("eph", shell("sleep 0.5; exit 1")))
    await cluster.until("eph", lambda found: container(found).get("restartCount", 0) >= 1)
    await add(cluster, "eph", "read line; echo got $line; sleep 1000", stdin=True)
    found = await cluster.until("eph", is_in("running"))
    attached = await cluster.agent.connector.attach(found, "debugger", stdin=True, stdout=True, stderr=True, tty=False)
    await attached.write(b"hello\n")
    async with asyncio.timeout(25):
        async for data in attached.stdout():
            assert data == b"got hello\n"
            break
    await attached.close()


async def test_a_privileged_one_runs_in_a_pod_that_is_not(cluster: Cluster) -> None:
    """The sysadmin profile of kubectl debug."""
    await cluster.run(pod("eph"))
    await add(cluster, "eph", "grep CapEff /proc/self/status", securityContext={"privileged": True})
    await cluster.until("eph", is_in("terminated"))
    said = (await cluster.logs("eph", container="debugger")).split()[-1]
    assert int(said, 16) >> 21 & 1, "CAP_SYS_ADMIN"


async def test_the_next_agent_takes_it_over_and_starts_none_again(machine: Machine, tmp_path: Any) -> None:
    ids: dict[str, str] = {}

    async def before(cluster: Cluster) -> None:
        await first_objects(cluster)
        await cluster.run(pod("eph"))
        await add(cluster, "eph", called="runs")
        await add(cluster, "eph", "exit 5", called="ended")
        found = await cluster.until("eph", lambda found: is_in("running", "runs")(found) and is_in("terminated", "ended")(found))
        ids.update({each["name"]: each["containerID"] for each in found["status"][KIND]})

    async def after(cluster: Cluster) -> None:
        await asyncio.sleep(1)
        found = await cluster.client.get(PODS, "eph", "default")
        assert {each["name"]: each["containerID"] for each in found["status"][KIND]} == ids
        assert container(found, "ended", KIND)["state"]["terminated"]["exitCode"] == 5
        runtime = cluster.agent.connector
        attached = await runtime.exec(found, "runs", ["sh", "-c", "kill 1"], stdin=False, stdout=True, stderr=True, tty=False)
        await attached.close()
        found = await cluster.until("eph", is_in("terminated", "runs"))
        assert is_ready(found)
        await cluster.delete("eph")

    await session(machine, tmp_path, before)
    await session(machine, tmp_path, after)


async def test_three_containers_start_at_once(cluster: Cluster) -> None:
    """How many starts are under way together, which no load of the machine changes."""
    runtime = cluster.agent._runtime
    start, under_way, most = runtime.start_container, 0, 0

    async def start_container(id: str) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            await start(id)
        finally:
            under_way -= 1

    runtime.start_container = start_container  # type: ignore[method-assign]
    await cluster.run(pod("three", *(shell(name=name) for name in ("a", "b", "c"))))
    assert most == 3
