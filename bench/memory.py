"""Memory and CPU of everything an instance runs, but for containerd, its shims and the containers (shown apart).

Idle, over 30 s in which nobody asks it anything, and again with 1,000 ConfigMaps of 1 KB and 50 running pods; the cluster alone and, idle
only, with the platform once it has made its base images (not with --quick, for that takes minutes). Compared with a real Kubernetes'
processes (etcd, API server, controller manager, scheduler, kubelet, proxy). RSS counts pages shared between processes once each; PSS
shares them out, so its sum is what the machine has really spent.
"""

import asyncio

from bench.rig import processes
from bench.rig.calm import until_calm
from bench.rig.context import Context
from bench.rig.figures import Figures, hammer, now
from bench.rig.follow import all_of, following
from bench.rig.instance import Instance
from bench.rig.objects import NAMESPACE, configmap, deployment, is_ready
from bench.rig.raw import connections
from pilothouse.model.json import dumps
from pilothouse.model.kinds import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS

SETTLE_S = 3.0
PODS_S = 300.0


async def run(context: Context) -> Figures:
    configmaps, pods = context.pick(1000, 200), context.pick(50, 5)
    figures: Figures = {}
    async with context.instance() as instance:
        figures["idle"] = await observe(context, instance)
        context.say(f"{configmaps} ConfigMaps, {pods} pods")
        await fill(instance, configmaps, pods)
        figures[f"with_{configmaps}_configmaps_and_{pods}_pods"] = await observe(context, instance)
    if context.quick:
        return figures
    async with context.instance(platform=True) as instance:
        context.say("waiting for the base images to be made")
        await until_calm(instance)
        figures["idle_with_platform"] = await observe(context, instance)
    return figures


async def observe(context: Context, instance: Instance) -> Figures:
    """After a moment of rest; the CPU figure is the mean over the time watched."""
    await asyncio.sleep(SETTLE_S)
    context.say("watching it do nothing")
    before, began = read(instance), now()
    await asyncio.sleep(context.pick(30, 4))
    after = read(instance)
    return {"memory": processes.memory(after), "cpu_percent_of_a_core": processes.cpu(before, after, now() - began)}


def read(instance: Instance) -> list[processes.Member]:
    return processes.members(instance.home.path, processes.everything())


async def fill(instance: Instance, configmaps: int, pods: int) -> None:
    async with instance.client() as client, connections(instance.endpoint, 8) as opened:
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        path = CONFIGMAPS.path(NAMESPACE)
        await hammer(opened, configmaps, lambda each, number: each.request("POST", path, dumps(configmap(f"c-{number}"))))
        async with following(client, PODS) as follower:
            await client.create(DEPLOYMENTS, deployment("fill", pods))
            await follower.until(all_of(pods, lambda _, obj: is_ready(obj)), deadline_s=PODS_S)
