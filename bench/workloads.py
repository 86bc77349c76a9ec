"""Controllers of workloads: a StatefulSet of ten ordered pods until all are Ready, and what a thousand idle CronJobs cost.

A set's pods start one after the other, so it is compared with ten times what one bare pod takes in the same run (`of_ten_pods`: 1.1 and
less is the goal). CronJobs wait for the first of January; `cpu_percent` is of the instance's own processes at rest, of one core, with them
and without; the goal is less than 1 on top.
"""

import asyncio
import statistics

from bench.memory import observe
from bench.pods import one_pod
from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, now
from bench.rig.follow import Follower, all_of, following
from bench.rig.instance import IMAGE, Instance
from bench.rig.objects import NAMESPACE, POLITE, is_ready
from pilothouse.aio.tasks import each
from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRONJOBS, NAMESPACES, PODS, STATEFULSETS

MEMBERS = 10
SETTLE_S = 5.0


async def run(context: Context) -> Figures:
    async with context.instance() as instance, instance.client() as client:
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        async with following(client, PODS) as follower:
            figures: Figures = {"stateful_set": await sets(context, client, follower)}
        figures["cron_jobs"] = await cron_jobs(context, instance, client)
        return figures


async def sets(context: Context, client: Client, follower: Follower) -> Figures:
    """In alternation with bare pods."""
    rounds = context.pick(5, 2)
    context.say(f"StatefulSet of {MEMBERS}, {rounds} times, alternating with bare pods")
    bare, whole = [], []
    await one_pod(client, follower, "warm-up")
    for number in range(rounds):
        bare += [(await one_pod(client, follower, f"bare-{number}-{one}"))["ready"] for one in range(context.pick(5, 3))]
        whole.append(await one_set(client, follower, f"set-{number}"))
    ratio = statistics.median(whole) / (MEMBERS * statistics.median(bare))
    return {"bare_pod": latencies(bare), "of_ten": latencies(whole), "of_ten_pods": round(ratio, 2)}


async def one_set(client: Client, follower: Follower, name: str) -> float:
    """Seconds until the last member is Ready."""

    def is_of(obj: Object) -> bool:
        return meta.name(obj).startswith(f"{name}-")

    since, began = len(follower.events), now()
    await client.create(STATEFULSETS, stateful_set(name), NAMESPACE)
    done = all_of(MEMBERS, lambda kind, obj: kind != "DELETED" and is_of(obj) and is_ready(obj))
    took = await follower.until(done, since=since) - began
    since = len(follower.events)
    await client.delete(STATEFULSETS, name, NAMESPACE)
    await follower.until(all_of(MEMBERS, lambda kind, obj: kind == "DELETED" and is_of(obj)), since=since)
    return took


def stateful_set(name: str) -> Object:
    container = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["/bin/sh", "-c", POLITE]}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    wanted = {"replicas": MEMBERS, "serviceName": name, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name}, "spec": wanted}


async def cron_jobs(context: Context, instance: Instance, client: Client) -> Figures:
    count = context.pick(1_000, 200)
    context.say(f"at rest, without and with {count} CronJobs")
    without = await at_rest(context, instance)
    await each([client.create(CRONJOBS, cron_job(f"yearly-{number}"), NAMESPACE) for number in range(count)], limit=16)
    return {"count": count, "cpu_percent_without": without, "cpu_percent": await at_rest(context, instance)}


async def at_rest(context: Context, instance: Instance) -> float:
    await asyncio.sleep(SETTLE_S)
    return float((await observe(context, instance))["cpu_percent_of_a_core"]["own"])


def cron_job(name: str) -> Object:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": IMAGE}]}
    job = {"spec": {"template": {"spec": pod}}}
    return {"metadata": {"name": name}, "spec": {"schedule": "0 0 1 1 *", "jobTemplate": job}}
