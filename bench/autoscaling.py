"""A load that comes at once on a Deployment with an autoscaler on its CPU: until a new pod is Ready, and until one goes after the load.

Autoscalers look every 3 s here (`autoscaler_sync_s`). The load is HTTP requests from this machine to the Service, each of which makes the
pod compute; it begins at random moments, so that nothing is measured in step with a clock of the platform's. A pod may use the CPU that it
requests and no more, so the autoscaler, at 50 %, asks for twice as many. Scaling down waits for nothing (`stabilizationWindowSeconds: 0`).
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, now
from bench.rig.follow import Follower, following
from bench.rig.instance import Instance
from bench.rig.objects import NAMESPACE, PORT, deployment, is_ready, service
from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import DEPLOYMENTS, HORIZONTALPODAUTOSCALERS, NAMESPACES, PODS, SERVICES

SYNC_S = 3
NAME = "work"
CALM_S = 7.0
"""After a round: the new pod has gone, and what was used during the load counts no more."""
CLIENTS = 3
REQUEST_S = 20.0
_SCRIPT = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'; i=0; while [ $i -lt 4000 ]; do i=$((i+1)); done; echo done
"""
SERVE_WORK = (
    f"mkdir -p /www/cgi-bin; cat > /www/cgi-bin/work <<'EOF'\n{_SCRIPT}EOF\n"
    f"chmod +x /www/cgi-bin/work; trap 'exit 0' TERM; busybox httpd -f -p {PORT} -h /www & wait"
)


async def run(context: Context) -> Figures:
    async with context.planned_instance() as instance:
        await started(instance)
        async with instance.client() as client, following(client, PODS) as follower:
            address, first_s = await prepared(client, follower)
            context.say(f"the first figure after {first_s:.1f} s")
            ups, downs = [], []
            for number in range(context.pick(10, 2)):
                up, down = await one_step(client, follower, address)
                context.say(f"step {number}: up after {up:.1f} s, down after {down:.1f} s")
                ups.append(up)
                downs.append(down)
            steps = {"load_to_new_pod_ready": latencies(ups), "load_gone_to_pod_gone": latencies(downs)}
            return {"sync_s": SYNC_S, "first_pod_ready_to_first_figure_s": round(first_s, 1), **steps}


async def started(instance: Instance) -> None:
    """Running, with autoscalers that look every `SYNC_S`."""
    await instance.up()
    await instance.down()
    path = instance.home.settings
    path.write_text(json.dumps(json.loads(path.read_text()) | {"autoscaler_sync_s": SYNC_S}))
    await instance.up()
    await instance.import_image()


async def prepared(client: Client, follower: Follower) -> tuple[str, float]:
    """The address of a Service whose one pod is Ready and known to its autoscaler, and how many seconds lay between the two."""
    await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    wanted = deployment(NAME, 1, SERVE_WORK, grace_s=1)
    container = wanted["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": "200m"}, "limits": {"cpu": "200m"}}
    container["readinessProbe"] = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
    await client.create(DEPLOYMENTS, wanted)
    made = await client.create(SERVICES, service(NAME))
    await client.create(HORIZONTALPODAUTOSCALERS, autoscaler())
    ready_at = await follower.until(lambda _, pod: is_ready(pod))
    async with asyncio.timeout(120):
        while not await _is_known(client):
            await asyncio.sleep(0.2)
    return str(made["spec"]["clusterIP"]), now() - ready_at


def autoscaler() -> Object:
    target = {"type": "Utilization", "averageUtilization": 50}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
        "minReplicas": 1,
        "maxReplicas": 2,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
    }
    return {"metadata": {"name": NAME, "namespace": NAMESPACE}, "spec": spec}


async def one_step(client: Client, follower: Follower, address: str) -> tuple[float, float]:
    """Seconds from the first request until a new pod is Ready, and from the last until one is being deleted."""
    await asyncio.sleep(CALM_S + random.uniform(0, SYNC_S))
    known = {meta.name(pod) for pod in (await client.list(PODS, NAMESPACE)).items}
    since, began = len(follower.events), now()
    async with loaded(address):
        up = await follower.until(lambda _, pod: meta.name(pod) not in known and is_ready(pod), since=since) - began
    since, began = len(follower.events), now()
    down = await follower.until(lambda _, pod: meta.is_deleting(pod), since=since) - began
    return up, down


@asynccontextmanager
async def loaded(address: str) -> AsyncIterator[None]:
    """With requests to it for the block, `CLIENTS` at a time."""
    async with scope() as tasks:
        for _ in range(CLIENTS):
            tasks.spawn(_ask_on_and_on(address))
        yield
        tasks.cancel()


async def _ask_on_and_on(address: str) -> None:
    while True:
        with suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout(REQUEST_S):
                reader, writer = await asyncio.open_connection(address, 80)
                try:
                    writer.write(b"GET /cgi-bin/work HTTP/1.0\r\n\r\n")
                    await reader.read()
                finally:
                    writer.close()
                continue
        await asyncio.sleep(0.1)


async def _is_known(client: Client) -> bool:
    """Whether the autoscaler has a figure of the pods."""
    status = (await client.get(HORIZONTALPODAUTOSCALERS, NAME, NAMESPACE)).get("status") or {}
    return any(each.get("resource") for each in status.get("currentMetrics") or ())
