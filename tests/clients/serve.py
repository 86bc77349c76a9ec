"""A whole cluster but for its network, in a process of its own: `python -m tests.clients.serve DIR`.

Writes DIR/admin.kubeconfig, prints `ready` once the API answers and the node is there, and runs until its standard input ends.
"""

import asyncio
import socket
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from pilothouse.aio.tasks import Scope, scope
from pilothouse.cli.daemon.logs import configure
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.boot.control import SERVED
from pilothouse.engine.controllers.controllers import Controllers
from pilothouse.engine.identities import Identities
from pilothouse.engine.scheduler.scheduler import Scheduler
from pilothouse.engine.store import Store
from pilothouse.wire import Limits, serve
from pilothouse.wire.tls import server_context
from tests.clients.node import NAME, PlayedNode
from tests.clients.usage import PlayedUsage
from tests.people import CONTROLLER_MANAGER, SCHEDULER, client_of, controller_client
from tests.people import node as node_user

HOST = "127.0.0.1"


async def main(folder: Path) -> None:
    async with AsyncExitStack() as stack:
        port = free_port()
        identities = Identities(folder / "pki")
        identities.ensure(folder / "admin.kubeconfig", f"https://{HOST}:{port}", ["localhost"], [HOST], cluster="pilothouse", node="n1")
        store = await stack.enter_async_context(Store.open(folder / "store.db"))
        settings = Settings(state=folder / "state", host=HOST, port=port, ca=identities.ca.read_text())
        node = PlayedNode()
        server = await stack.enter_async_context(ApiServer.open(store, settings, node))
        server.backend.usage = PlayedUsage(store)
        certificate, key = identities.server
        context = server_context(certificate, key, identities.ca)
        await stack.enter_async_context(await serve(server.handle, HOST, port, tls=context, limits=Limits(body_bytes=3 << 20)))
        tasks = await stack.enter_async_context(scope())
        await start_parts(tasks, server, identities.ca.read_text(), node)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        tasks.cancel()


async def start_parts(tasks: Scope, server: ApiServer, ca: str, node: PlayedNode) -> None:
    client, scheduling = client_of(server, CONTROLLER_MANAGER), client_of(server, SCHEDULER)
    informers = Informers(client)
    controlling, placing = Recorder(client, None, "controllers"), Recorder(scheduling, None, "default-scheduler")
    controllers = Controllers(partial(controller_client, server), informers, controlling, root_ca=ca)
    scheduler = Scheduler(scheduling, informers, placing, served=SERVED)
    node.join(client_of(server, node_user(NAME)), informers)
    for recorder in (controlling, placing):
        tasks.spawn(recorder.run())
    await tasks.start(informers.run)
    await tasks.start(controllers.run)
    tasks.spawn(scheduler.run())
    await tasks.start(node.run)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    configure()  # to standard error: nobody reads our output after its first line
    asyncio.run(main(Path(sys.argv[1])))
