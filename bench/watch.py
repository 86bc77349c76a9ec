"""Watches of an API server alone: a write seen by each of 100 and of 1,000 watchers, and a pod's change beside watchers of other nodes.

The last is compared with the same change without them, in alternation: what the watchers cost that it does not concern.
"""

from contextlib import AsyncExitStack

from bench.rig.alone import Alone, api_alone
from bench.rig.context import Context
from bench.rig.fanout import fan_out
from bench.rig.figures import Figures, latencies, now
from bench.rig.objects import NAMESPACE
from bench.rig.raw import Connection, connections
from pilothouse.client.transport import MERGE_PATCH
from pilothouse.model.json import Object, dumps
from pilothouse.model.kinds import NAMESPACES, PODS, SERVICEACCOUNTS


async def run(context: Context) -> Figures:
    figures: Figures = {}
    async with api_alone(context.folder / "watch") as server:
        async with connections(server.endpoint, 1) as (connection,):
            await connection.request("POST", NAMESPACES.path(), dumps({"metadata": {"name": NAMESPACE}}))
            await connection.request("POST", SERVICEACCOUNTS.path(NAMESPACE), dumps({"metadata": {"name": "default"}}))
        for watchers in (100, context.pick(1_000, 300)):
            context.say(f"{watchers} watchers")
            figures[f"{watchers}_watchers"] = await fan_out(server.endpoint, context.pick(60, 15), watchers=watchers)
        others = context.pick(5_000, 500)
        context.say(f"{others} watchers of other nodes")
        figures[f"pod_change_beside_{others}_watchers_of_other_nodes"] = await of_other_nodes(context, server, others)
    return figures


async def of_other_nodes(context: Context, server: Alone, count: int) -> Figures:
    changes = context.pick(100, 30)
    async with AsyncExitStack() as stack:
        (writer,) = await stack.enter_async_context(connections(server.endpoint, 1))
        await writer.request("POST", PODS.path(NAMESPACE), dumps(pod("p", "node-0")))
        without = await changed(writer, changes)
        for number in range(1, count + 1):
            (watcher,) = await stack.enter_async_context(connections(server.endpoint, 1))  # watching at once: many that are idle are closed
            await watcher.watch(f"{PODS.path()}?watch=1&fieldSelector=spec.nodeName%3Dnode-{number}", lambda _: None)
        beside = await changed(writer, changes)
    return {"without": latencies(without), "beside": latencies(beside), "server_mib": round(server.memory_mib())}


async def changed(writer: Connection, count: int) -> list[float]:
    """Seconds from before a change is sent until it is acknowledged."""
    took = []
    for number in range(count):
        began = now()
        await writer.request("PATCH", PODS.path(NAMESPACE, "p"), b'{"metadata":{"annotations":{"n":"%d"}}}' % number, MERGE_PATCH)
        took.append(now() - began)
    return took


def pod(name: str, node: str) -> Object:
    spec = {"nodeName": node, "containers": [{"name": "main", "image": "tools:1"}]}
    return {"metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "bench"}}, "spec": spec}
