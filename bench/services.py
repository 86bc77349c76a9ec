"""A Service as its users feel it: created together with its Deployment until the ClusterIP answers 200, and an endpoint that leaves.

`http_200` is from the first request to the API until the answer; `pod_ready` is when the pod was Ready, so the rest is endpoints and the
service proxy. For `last_answer` one of two pods is deleted that goes on serving after SIGTERM: its last answer through the
ClusterIP is when the Service let go of it. Every request is a new connection. `with_N_services` has the proxy alone on a kernel with as
many services of five endpoints each (see `bench.rig.many_services`).
"""

import asyncio
import contextlib
import json
import random
import sys
from typing import Any

from bench.rig.asking import ask, last_answer, until_answer
from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, now
from bench.rig.follow import Follower, all_of, following
from bench.rig.objects import NAMESPACE, SERVE, SERVE_ON, deployment, is_of, is_ready, pod, service
from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.model.errors import NotFound
from pilothouse.model.kinds import DEPLOYMENTS, NAMESPACES, PODS, SERVICES

WATCHED_S = 1.0


async def run(context: Context) -> Figures:
    async with context.instance() as instance, instance.client() as client:
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        async with following(client, PODS) as follower:
            context.say("Deployment + Service -> HTTP 200")
            created = [await appear(client, follower, f"up-{number}") for number in range(context.pick(20, 3))]
            context.say("endpoint removed -> last answer")
            left = [await leave(client, follower, f"away-{number}") for number in range(context.pick(15, 2))]
    context.say("the proxy with many services")
    many = await with_many(context.pick(10_000, 500))
    figures: Figures = {name: latencies([each[name] for each in created]) for name in created[0]}
    return {**figures, "last_answer_of_a_deleted_endpoint": latencies(left), **many}


async def with_many(count: int) -> Figures:
    """Beside those with one service."""
    program = (sys.executable, "-m", "bench.rig.many_services", "1", str(count))
    process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"bench.rig.many_services has ended with {process.returncode}")
    found: dict[str, Figures] = json.loads(printed)
    return {f"with_{services}_services": figures for services, figures in found.items()}


async def appear(client: Client, follower: Follower, name: str) -> dict[str, float]:
    await asyncio.sleep(random.uniform(0, 0.3))
    since, began = len(follower.events), now()
    made = await client.create(SERVICES, service(name))
    await client.create(DEPLOYMENTS, deployment(name, 1, SERVE, grace_s=1))
    answered = await until_answer(made["spec"]["clusterIP"]) - began
    ready = await follower.until(lambda _, obj: is_of(name, obj) and is_ready(obj), since=since) - began
    await client.delete(DEPLOYMENTS, name, NAMESPACE)
    await client.delete(SERVICES, name, NAMESPACE)
    await follower.until(lambda kind, obj: is_of(name, obj) and kind == "DELETED", since=since)
    return {"http_200": answered, "pod_ready": ready, "ready_to_200": answered - ready}


async def leave(client: Client, follower: Follower, name: str) -> float:
    """Seconds from the deletion to the last request that the deleted pod still answered; 0 when none."""
    address = await _two_endpoints(client, follower, name)
    await asyncio.sleep(random.uniform(0.1, 0.4))
    began = now()
    async with scope() as tasks:
        answers = tasks.spawn(last_answer(address, f"{name}-0", WATCHED_S))
        await client.delete(PODS, f"{name}-0", NAMESPACE)
        last = await answers
    for number in range(2):
        with contextlib.suppress(NotFound):
            await client.delete(PODS, f"{name}-{number}", NAMESPACE, grace_s=0)
    await client.delete(SERVICES, name, NAMESPACE)
    return 0.0 if last is None else max(last - began, 0.0)


async def _two_endpoints(client: Client, follower: Follower, name: str) -> str:
    """The ClusterIP, once both pods have answered through it."""
    made = await client.create(SERVICES, service(name))
    since = len(follower.events)
    for number in range(2):
        await client.create(PODS, pod(f"{name}-{number}", SERVE_ON, app=name, grace_s=20))
    await follower.until(all_of(2, lambda _, obj: is_of(name, obj) and is_ready(obj)), since=since)
    address: str = made["spec"]["clusterIP"]
    answered: set[Any] = set()
    async with asyncio.timeout(30):
        while len(answered - {None}) < 2:
            answered.add(await ask(address))
    return address
