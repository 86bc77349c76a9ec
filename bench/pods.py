"""A pod created through the API until it is Ready, and deleted until it is gone; a Deployment from 0 to 50 Ready replicas and back.

Compared with the bare floor in the same run, in alternation: the same sandbox and container made by calling the same containerd over CRI;
for the Deployment, as many at once.
The image is present; the process ends at SIGTERM at once. `added` is what the platform takes on top: the difference of the medians.
A pod of three containers is made in turn with pods of one: `of_one` is the ratio of the medians from created to Ready.
Pods start at random moments, so that nothing is measured in step with a clock of the node's.
"""

import asyncio
import random

from bench.rig.context import Context
from bench.rig.cri_floor import CriFloor
from bench.rig.figures import Figures, latencies, now
from bench.rig.follow import Fits, Follower, all_of, following
from bench.rig.instance import Instance
from bench.rig.objects import NAMESPACE, deployment, is_of, is_ready, pod
from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.kinds import DEPLOYMENTS, NAMESPACES, PODS

PAUSE_S, SETTLE_S = 0.3, 0.5
"""The node cleans up for a while after a pod is gone; what is measured next must not meet that."""


async def run(context: Context) -> Figures:
    async with context.instance() as instance, instance.client() as client:
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        async with following(client, PODS) as follower:
            count = context.pick(40, 4)
            context.say(f"{count} pods, alternating with the CRI floor")
            figures = await singles(instance, client, follower, count)
            context.say(f"{context.pick(20, 3)} pods of three containers, alternating with pods of one")
            figures["three_containers"] = await threes(client, follower, context.pick(20, 3))
            replicas = context.pick(50, 6)
            rounds = context.pick(3, 1)
            context.say(f"Deployment 0 -> {replicas} -> 0, {rounds} times")
            scaled = [await scale(client, follower, f"scale-{number}", replicas) for number in range(rounds)]
            floors = [await floor_of_many(instance, replicas) for _ in range(rounds)]
    ups, downs = zip(*scaled, strict=True)
    figures[f"cri_floor_0_to_{replicas}"] = latencies(floors)
    return {**figures, f"deployment_0_to_{replicas}": latencies(ups), f"deployment_{replicas}_to_0": latencies(downs)}


async def singles(instance: Instance, client: Client, follower: Follower, count: int) -> Figures:
    floor = CriFloor(instance)
    moments: list[dict[str, float]] = []
    try:
        await floor.pod("warm-up")
        await one_pod(client, follower, "warm-up")
        floor.forget()
        for number in range(count):
            await asyncio.sleep(SETTLE_S + random.uniform(0, PAUSE_S))
            moments.append(await one_pod(client, follower, f"pod-{number}"))
            await asyncio.sleep(SETTLE_S + random.uniform(0, PAUSE_S))
            await floor.pod(f"floor-{number}")
    finally:
        await floor.close()
    figures: Figures = {name: latencies([each[name] for each in moments]) for name in moments[0]}
    figures["cri_floor"] = floor.figures()
    added = {"start": figures["ready"]["median"] - figures["cri_floor"]["start"]["median"]}
    added["stop"] = figures["gone"]["median"] - figures["cri_floor"]["stop"]["median"]
    return {**figures, "added_ms": {name: round(value, 1) for name, value in added.items()}}


async def floor_of_many(instance: Instance, count: int) -> float:
    floor = CriFloor(instance)
    try:
        return await floor.many(count)
    finally:
        await floor.close()
        await asyncio.sleep(SETTLE_S)


async def threes(client: Client, follower: Follower, count: int) -> Figures:
    took: dict[int, list[float]] = {1: [], 3: []}
    for number in range(count):
        for containers, ready in took.items():
            await asyncio.sleep(SETTLE_S + random.uniform(0, PAUSE_S))
            ready.append((await one_pod(client, follower, f"pod-of-{containers}-{number}", containers))["ready"])
    figures: Figures = {"ready": latencies(took[3]), "ready_of_one": latencies(took[1])}
    return {**figures, "of_one": round(figures["ready"]["median"] / figures["ready_of_one"]["median"], 2)}


async def one_pod(client: Client, follower: Follower, name: str, containers: int = 1) -> dict[str, float]:
    """Seconds from the request to what a watcher sees."""
    since, began = len(follower.events), now()
    await client.create(PODS, pod(name, containers=containers))
    scheduled = await follower.until(of(name, lambda _, obj: bool(obj["spec"].get("nodeName"))), since=since) - began
    ready = await follower.until(of(name, lambda _, obj: is_ready(obj)), since=since) - began
    await asyncio.sleep(PAUSE_S)
    since, began = len(follower.events), now()
    await client.delete(PODS, name, NAMESPACE)
    gone = await follower.until(of(name, lambda kind, _: kind == "DELETED"), since=since) - began
    return {"scheduled": scheduled, "ready": ready, "gone": gone}


def of(name: str, fits: Fits) -> Fits:
    return lambda kind, obj: meta.name(obj) == name and fits(kind, obj)


async def scale(client: Client, follower: Follower, name: str, replicas: int) -> tuple[float, float]:
    """Seconds until all are Ready, and then until all are gone."""
    await client.create(DEPLOYMENTS, deployment(name, 0))
    all_ready = all_of(replicas, lambda kind, obj: kind != "DELETED" and is_of(name, obj) and is_ready(obj))
    all_gone = all_of(replicas, lambda kind, obj: kind == "DELETED" and is_of(name, obj))
    up = await _scaled(client, follower, name, replicas, all_ready)
    await asyncio.sleep(SETTLE_S)
    down = await _scaled(client, follower, name, 0, all_gone)
    await client.delete(DEPLOYMENTS, name, NAMESPACE)
    return up, down


async def _scaled(client: Client, follower: Follower, name: str, replicas: int, done: Fits) -> float:
    since, began = len(follower.events), now()
    await client.patch(DEPLOYMENTS, name, {"spec": {"replicas": replicas}}, namespace=NAMESPACE)
    return await follower.until(done, since=since, deadline_s=300) - began
