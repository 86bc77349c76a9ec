"""A node's announcer as a process of its own, with an API of objects in memory: `python -m tests.e2e.network.announcing NAME SECONDS`.

Each line of standard input is an object, or the name of one that is deleted; each line of standard output what the announcer writes.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import structlog

from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.node_conditions import NodeConditions
from pilothouse.client.recorder import Recorder
from pilothouse.client.transport import Call, WatchEvent
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, EVENTS, NODES, SERVICES
from pilothouse.model.load_balancers import IPADDRESSPOOLS, L2ADVERTISEMENTS, SERVICEL2STATUSES
from pilothouse.network.announce import Announcer, AnnouncerConfig
from tests.network.cluster import FakeCluster

RESOURCES = {each.kind: each for each in (SERVICES, NODES, ENDPOINTSLICES, IPADDRESSPOOLS, L2ADVERTISEMENTS, SERVICEL2STATUSES, EVENTS)}


class ToldCluster(FakeCluster):
    """Writes of the announcer are printed, not done: the test is the API server."""

    async def call(self, call: Call) -> Any:
        if call.method == "GET":
            return await super().call(_of_all_namespaces(call))
        sys.stdout.write(json.dumps({"method": call.method, "path": call.path, "body": call.body}) + "\n")
        sys.stdout.flush()
        return call.body or {}

    def watch(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        return super().watch(_of_all_namespaces(call))


def _of_all_namespaces(call: Call) -> Call:
    """Each resource has its objects in one namespace here."""
    head, found, rest = call.path.partition("/namespaces/")
    return replace(call, path=f"{head}/{rest.partition('/')[2]}") if found and rest.count("/") == 1 else call


async def main(name: str, valid_s: int) -> None:
    cluster = ToldCluster()
    client = Client(cluster)
    informers, conditions, recorder = Informers(client), NodeConditions(name), Recorder(client, None, "test")
    config = AnnouncerConfig(instance="pht", node=name, own_cidrs=("10.244.0.0/16",), valid_s=valid_s)
    announcer = Announcer(client, informers, config, conditions=conditions, recorder=recorder)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(informers.run())
        tasks.create_task(recorder.run())
        tasks.create_task(conditions.run(client, asyncio.Event()))
        tasks.create_task(announcer.run(asyncio.Event()))
        while line := await reader.readline():
            await tell(cluster, json.loads(line))
        raise SystemExit


async def tell(cluster: FakeCluster, told: Object) -> None:
    resource = RESOURCES[told["kind"]]
    if told.get("deleted"):
        await cluster.delete(resource, told["metadata"].get("namespace", ""), told["metadata"]["name"])
    else:
        await cluster.put(resource, told)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
