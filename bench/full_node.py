"""A node that is full: what 110 idle pods cost, and how it comes back with them.

CPU of everything that is neither containerd nor a container, over 60 s in which nobody asks anything; memory a pod is the difference to the
same instance before the pods, divided by their number. Then the control plane is killed (-9), then the node agent, and then everything is
stopped and started again: `api` is how long until the API acknowledges a write, from the kill or from the start of `ph up`; `node` how long
until the agent has renewed its Lease, which one that starts does at once, and one that went on when its time comes. other_containers
counts those that are not the same as before.
"""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from bench.boot import renewed_after
from bench.memory import read
from bench.recovery import BACK_S, CALL_S, RETRY_S, containers
from bench.rig import processes
from bench.rig.context import Context
from bench.rig.figures import Figures, now
from bench.rig.follow import all_of, following
from bench.rig.instance import Instance
from bench.rig.objects import NAMESPACE, configmap, deployment, is_ready
from bench.rig.raw import Connection, Refused
from pilothouse.model.json import dumps, loads
from pilothouse.model.kinds import CONFIGMAPS, DEPLOYMENTS, LEASES, NAMESPACES, PODS

PODS_S = 300.0


async def run(context: Context) -> Figures:
    count, watched_s, quiet_s = context.pick(110, 5), context.pick(60, 4), context.pick(15, 1)
    async with context.instance() as instance:
        await asyncio.sleep(quiet_s)
        empty = processes.memory(read(instance))
        context.say(f"{count} pods")
        ready_s = await fill(instance, count)
        await asyncio.sleep(quiet_s)
        before, began = read(instance), now()
        await asyncio.sleep(watched_s)
        after = read(instance)
        full = processes.memory(after)
        figures: Figures = {
            f"deployment_0_to_{count}_s": round(ready_s, 2),
            "cpu_percent_of_a_core": processes.cpu(before, after, now() - began),
            "memory": {"empty": empty, "full": full},
            "kib_a_pod": {kind: round((full["total_mib"][kind] - empty["total_mib"][kind]) * 1024 / count) for kind in ("rss", "pss")},
        }
        for name, disturb in (("control_plane_killed", kill("control")), ("agent_killed", kill("node")), ("down_and_up", restart)):
            context.say(name)
            figures[name] = await disturbed(instance, disturb, quiet_s)
    return figures


async def fill(instance: Instance, count: int) -> float:
    """Seconds until all are Ready."""
    async with instance.client() as client:
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        async with following(client, PODS) as follower:
            began = now()
            await client.create(DEPLOYMENTS, deployment("full", count))
            return await follower.until(all_of(count, lambda _, obj: is_ready(obj)), deadline_s=PODS_S) - began


Disturbance = Callable[[Instance], Awaitable[tuple[float, datetime]]]
"""Does it, and returns the moment from which the way back is counted, on both clocks."""


def kill(role: str) -> Disturbance:
    async def disturb(instance: Instance) -> tuple[float, datetime]:
        commands = {member.process.pid: member.process.command for member in read(instance)}
        found = [pid for pid, command in commands.items() if f"pilothouse.cli.daemon.{role} " in command and "supervise.sh" not in command]
        began = now(), datetime.now(UTC)
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        return began

    return disturb


async def restart(instance: Instance) -> tuple[float, datetime]:
    await instance.down()
    began = now(), datetime.now(UTC)
    await instance.up()
    return began


async def disturbed(instance: Instance, disturb: Disturbance, quiet_s: float) -> Figures:
    async with instance.client() as client:
        before = containers((await client.list(PODS, NAMESPACE)).items)
    began, moment = await disturb(instance)
    async with asyncio.timeout(BACK_S):
        api = await acknowledged(instance) - began
        node = await renewed(instance, moment) - began
    await asyncio.sleep(quiet_s)
    async with instance.client() as client:
        pods = (await client.list(PODS, NAMESPACE)).items
    ready = sum(is_ready(pod) for pod in pods)
    return {"api_s": round(api, 2), "node_s": round(node, 2), "ready": ready, "other_containers": len(before ^ containers(pods)) // 2}


async def acknowledged(instance: Instance) -> float:
    """When a new connection's write was first acknowledged."""
    name = f"back-{now()}"
    while True:
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError, Refused):
            async with asyncio.timeout(CALL_S):
                connection = await Connection.connect(instance.endpoint)
                try:
                    await connection.request("POST", CONFIGMAPS.path(NAMESPACE), dumps(configmap(name)))
                    return now()
                finally:
                    connection.close()
        await asyncio.sleep(RETRY_S)


async def renewed(instance: Instance, moment: datetime) -> float:
    """When every node's Lease was seen renewed after the moment."""
    connection = await Connection.connect(instance.endpoint)
    try:
        while True:
            leases = loads(await connection.request("GET", LEASES.path("kube-node-lease")))["items"]
            if all(renewed_after(lease, moment) for lease in leases):
                return now()
            await asyncio.sleep(RETRY_S)
    finally:
        connection.close()
