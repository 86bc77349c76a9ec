"""One node's back ends as a process of their own, to be run in a network namespace: objects come by standard input, a JSON line each;
what the node writes to the API goes to standard output."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from pilothouse.client.client import Client
from pilothouse.client.node_conditions import NodeConditions
from pilothouse.client.transport import Call, WatchEvent
from pilothouse.model.bgp import BGPADVERTISEMENTS, BGPPEERS
from pilothouse.model.cluster_network import CLUSTERNETWORKS
from pilothouse.model.kinds import ENDPOINTSLICES, NODES, SECRETS, SERVICECIDRS, SERVICES
from pilothouse.model.load_balancers import COMMUNITIES, IPADDRESSPOOLS
from pilothouse.network.backends import BackendConfig, NodeBackends
from pilothouse.network.backends.config import Probing
from tests.network.cluster import FakeCluster

KINDS = {
    each.kind: each
    for each in (
        NODES,
        CLUSTERNETWORKS,
        SERVICES,
        SERVICECIDRS,
        ENDPOINTSLICES,
        SECRETS,
        IPADDRESSPOOLS,
        COMMUNITIES,
        BGPPEERS,
        BGPADVERTISEMENTS,
    )
}


class Pipe(FakeCluster):
    """Answers reads from memory and prints every write. Of every kind one namespace is used at most, so that lists need not tell them."""

    async def call(self, call: Call) -> Any:
        if call.method == "GET":
            return await super().call(_unscoped(call))
        if call.method != "PATCH":
            return await super().call(call)
        sys.stdout.write(json.dumps({"path": call.path, "body": call.body}) + "\n")
        sys.stdout.flush()
        return {}

    def watch(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        return super().watch(_unscoped(call))


def _unscoped(call: Call) -> Call:
    """A list in a namespace, as one of all."""
    before, found, after = call.path.partition("/namespaces/")
    _, _, resource = after.partition("/")
    return replace(call, path=f"{before}/{resource}") if found and resource and "/" not in resource else call


async def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    config = json.loads(sys.argv[1])
    cluster = Pipe()
    lines: asyncio.StreamReader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    # The first lines are what is there already.
    while (line := (await lines.readline()).decode().strip()) != "go":
        await _put(cluster, json.loads(line))
    informers = cluster.informers()
    conditions = NodeConditions(config["node"])
    state = Path(config.pop("state"))
    probing = Probing(begin_s=0.05, tick_s=0.2, round_s=0.4, answer_s=0.1)
    own = BackendConfig(
        state=state,
        probing=probing,
        inspect_s=1.0,
        **{key: tuple(value) if isinstance(value, list) else value for key, value in config.items()},
    )
    backends = NodeBackends(informers, Client(cluster), own, conditions=conditions)
    async with asyncio.TaskGroup() as group:
        group.create_task(informers.run())
        group.create_task(conditions.run(Client(cluster), asyncio.Event()))
        group.create_task(backends.run(asyncio.Event()))
        while line := (await lines.readline()).decode().strip():
            await _put(cluster, json.loads(line))
        sys.exit(0)


async def _put(cluster: FakeCluster, obj: Any) -> None:
    resource = KINDS[obj["kind"]]
    if obj.get("gone"):
        await cluster.delete(resource, "", obj["metadata"]["name"])
    else:
        await cluster.put(resource, obj)


asyncio.run(main())
