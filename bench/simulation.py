"""A large cluster in one: nodes that are no machines (`ph up --simulate-nodes`), and Deployments whose pods are placed and run on them.

Everything but containers is at work: API server and store with each write on disk, controllers, scheduler. Figures: how soon all nodes
are Ready after `ph up` was called, how many pods a second become Ready from the creation of their Deployments on, processor time of the
instance at rest (percent of a core) and its memory, without pods and with all of them.
"""

import asyncio
from collections.abc import Sequence

from bench.memory import observe
from bench.rig.context import Context
from bench.rig.figures import Figures, now
from bench.rig.objects import NAMESPACE
from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import DEPLOYMENTS, NAMESPACES, NODES
from pilothouse.model.node_objects import SIMULATED, is_simulated

PODS_EACH = 1_000
LOOK_S = 0.5
DEADLINE_S = 900.0
SETTLE_S = 15.0


async def run(context: Context) -> Figures:
    nodes, pods = context.pick(5_000, 500), context.pick(30_000, 3_000)
    async with context.planned_instance() as instance:
        context.say(f"starting an instance with {nodes} simulated nodes")
        began = now()
        await instance.ph("up", *instance.options, "--simulate-nodes", str(nodes), timeout_s=180)
        async with instance.client() as client:
            await until_nodes_are_ready(client, nodes)
            figures: Figures = {"nodes": nodes, "pods": pods, "nodes_ready_s": round(now() - began, 1)}
            await asyncio.sleep(SETTLE_S)
            figures["idle_without_pods"] = await observe(context, instance)
            context.say(f"{pods} pods")
            took = await until_pods_are_ready(client, pods)
            figures |= {"pods_ready_s": round(took, 1), "pods_ready_per_second": round(pods / took, 1)}
            await asyncio.sleep(SETTLE_S)
            figures["idle_with_pods"] = await observe(context, instance)
            return figures


async def until_nodes_are_ready(client: Client, count: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found = [each for each in (await client.list_all(NODES)).items if is_simulated(each) and meta.is_true(each, "Ready")]
            if len(found) == count:
                return
            await asyncio.sleep(LOOK_S)


async def until_pods_are_ready(client: Client, count: int) -> float:
    """Seconds."""
    await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    began = now()
    for number in range(count // PODS_EACH):
        await client.create(DEPLOYMENTS, crowd(f"crowd-{number}"), NAMESPACE)
    async with asyncio.timeout(DEADLINE_S):
        while ready((await client.list(DEPLOYMENTS, NAMESPACE)).items) < count:
            await asyncio.sleep(LOOK_S)
    return now() - began


def ready(deployments: Sequence[Object]) -> int:
    return sum((each.get("status") or {}).get("readyReplicas") or 0 for each in deployments)


def crowd(name: str) -> Object:
    container = {"name": "main", "image": "nothing:1", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}
    pod = {"nodeSelector": {SIMULATED: "true"}, "tolerations": [{"key": SIMULATED, "operator": "Exists"}], "containers": [container]}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {"metadata": {"name": name}, "spec": {"replicas": PODS_EACH, "selector": {"matchLabels": labels}, "template": template}}
