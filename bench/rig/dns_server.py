"""A DNS server beside an API server, in one process on one core: `python -m bench.rig.dns_server FOLDER SERVICES`.

Writes its port as a line, then makes a Service for each name that it is told on standard input, and writes when the API had taken it.
"""

import asyncio
import os
import sys
from pathlib import Path

import uvloop

from bench.rig.figures import now
from pilothouse.aio.tasks import TaskSet, running
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.engine.apiserver.identity import MASTERS, User
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from pilothouse.model.kinds import SERVICES
from pilothouse.network.dns import ClusterDNSConfig, server
from pilothouse.network.dns.resolver import Resolver
from pilothouse.network.dns.upstream import Upstream
from pilothouse.network.dns.zone import Zone


def service(name: str) -> Object:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"ports": [{"name": "http", "port": 80}], "selector": {"app": name}},
    }


async def main(folder: Path, services: int) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    async with Store.open(folder / "store.db") as store, ApiServer.open(store, Settings(folder / "state")) as api:
        client = Client(InProcessTransport(api, User("bench", (MASTERS,))))
        for number in range(services):
            await client.create(SERVICES, service(f"s{number}"))
        informers = Informers(client)
        config = ClusterDNSConfig(node="n", addresses=("127.0.0.1",), cluster_ips=("10.96.0.10",), port=0)
        resolver = Resolver(Zone(informers, config), lambda _: Upstream((), Path("/"), ()))
        async with running(informers.run):
            listening = await server.listen(resolver, TaskSet(), config.addresses, 0)
            _write(str(listening.port))
            while name := (await asyncio.to_thread(sys.stdin.readline)).strip():
                await client.create(SERVICES, service(name))
                _write(repr(now()))
            listening.close()


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2])))
