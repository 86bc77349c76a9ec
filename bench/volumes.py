"""A pod with a new claim of the class `local`, from the request for both until the pod is Ready: its volume is made, bound and mounted.

Compared with a pod without one, and with one whose claim has its volume already, in alternation: what a first volume adds is the
difference of the medians. Also how long a snapshot of such a volume takes until it is ready, and a pod with a volume made of it.
"""

import asyncio
import random

from bench.pods import PAUSE_S, SETTLE_S, of
from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, now
from bench.rig.follow import Follower, following
from bench.rig.objects import NAMESPACE, is_ready, pod
from pilothouse.client.client import Client
from pilothouse.model.json import Object
from pilothouse.model.kinds import NAMESPACES, PERSISTENTVOLUMECLAIMS, PODS
from pilothouse.model.snapshots import GROUP, VOLUMESNAPSHOTS

SIZE = "64Mi"
LOOK_S = 0.01


async def run(context: Context) -> Figures:
    async with context.instance() as instance, instance.client() as client:
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        async with following(client, PODS) as follower:
            count = context.pick(30, 3)
            context.say(f"{count} pods each: without a claim, with a new one, with a bound one")
            figures = await pods(client, follower, count)
            context.say(f"{context.pick(10, 2)} snapshots, and pods with volumes made of them")
            copies = await snapshots(client, follower, context.pick(10, 2))
    return {**figures, **copies}


async def pods(client: Client, follower: Follower, count: int) -> Figures:
    await client.create(PERSISTENTVOLUMECLAIMS, claim("bound"))
    await ready(client, follower, "warm-up", "bound")
    await ready(client, follower, "warm-up")
    took: dict[str, list[float]] = {"without": [], "new": [], "bound": []}
    for number in range(count):
        for kind, each in took.items():
            await asyncio.sleep(SETTLE_S + random.uniform(0, PAUSE_S))
            began = now()
            name = f"{kind}-{number}"
            if kind == "new":
                await client.create(PERSISTENTVOLUMECLAIMS, claim(name))
            each.append(await ready(client, follower, name, {"without": "", "new": name, "bound": "bound"}[kind], began))
            if kind == "new":
                await client.delete(PERSISTENTVOLUMECLAIMS, name, NAMESPACE)
    found: Figures = {f"ready_{kind}": latencies(each) for kind, each in took.items()}
    plain = found["ready_without"]["median"]
    added = {kind: round(found[f"ready_{kind}"]["median"] - plain, 1) for kind in ("new", "bound")}
    return {**found, "added_ms": added}


async def ready(client: Client, follower: Follower, name: str, claim_name: str = "", began: float | None = None) -> float:
    """Seconds until it is; it is removed afterwards."""
    wanted = pod(name)
    if claim_name:
        wanted["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": claim_name}}]
        wanted["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/data"}]
    since, begun = len(follower.events), now() if began is None else began
    await client.create(PODS, wanted)
    took = await follower.until(of(name, lambda _, obj: is_ready(obj)), since=since) - begun
    since = len(follower.events)
    await client.delete(PODS, name, NAMESPACE)
    await follower.until(of(name, lambda kind, _: kind == "DELETED"), since=since)
    return took


async def snapshots(client: Client, follower: Follower, count: int) -> Figures:
    """Of a volume that is mounted."""
    taken, restored = [], []
    for number in range(count):
        name, began = f"copy-{number}", now()
        spec = {"source": {"persistentVolumeClaimName": "bound"}}
        await client.create(VOLUMESNAPSHOTS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
        async with asyncio.timeout(60):
            while not ((await client.get(VOLUMESNAPSHOTS, name, NAMESPACE)).get("status") or {}).get("readyToUse"):
                await asyncio.sleep(LOOK_S)
        taken.append(now() - began)
        began = now()
        source = {"apiGroup": GROUP, "kind": VOLUMESNAPSHOTS.kind, "name": name}
        await client.create(PERSISTENTVOLUMECLAIMS, claim(name, dataSourceRef=source))
        restored.append(await ready(client, follower, name, name, began))
        await client.delete(PERSISTENTVOLUMECLAIMS, name, NAMESPACE)
        await client.delete(VOLUMESNAPSHOTS, name, NAMESPACE)
    return {"snapshot_ready": latencies(taken), "ready_restored": latencies(restored)}


def claim(name: str, **spec: Object) -> Object:
    wanted: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": SIZE}}, "storageClassName": "local"}
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": wanted | spec}
