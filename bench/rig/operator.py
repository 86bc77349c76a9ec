"""The operator of MySQL instances in a process of its own: `python -m bench.rig.operator FOLDER`, FOLDER being that of an API server alone.

The members' agents are at ports of 127.0.0.1 that their pods name in an annotation. FOLDER/operator.json says again and again what it has
asked the API server so far. It runs until it is told to stop.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import uvloop

from pilothouse.aio import allocator, collector
from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.http import HttpTransport
from pilothouse.client.informers import Informers
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.client.recorder import Recorder
from pilothouse.client.transport import Call, Socket, Transport, WatchEvent
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.oci.packages.programs import Image
from pilothouse.platform.databases.bundle import bundle
from pilothouse.platform.databases.mysql import names
from pilothouse.platform.databases.mysql.accounts.controller import AccountController
from pilothouse.platform.databases.mysql.agents import Place
from pilothouse.platform.databases.mysql.controller import InstanceController
from pilothouse.platform.databases.mysql.images import Asked

PORT = "bench.pilothouse.internal/port"
IMAGE = Image("127.0.0.1:5000/databases/mariadb:10.11.18", "10.11.18")
SAID = "operator.json"
EACH_S = 0.5


class Counting:
    """A transport that counts requests by method."""

    def __init__(self, inner: Transport) -> None:
        self.counts: Counter[str] = Counter()
        self._inner = inner

    async def call(self, call: Call) -> object:
        self.counts[call.method] += 1
        return await self._inner.call(call)

    def watch(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        self.counts["WATCH"] += 1
        return self._inner.watch(call)

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._inner.stream(call)

    def connect(self, call: Call, subprotocols: tuple[str, ...]) -> AbstractAsyncContextManager[Socket]:
        return self._inner.connect(call, subprotocols)

    async def close(self) -> None:
        await self._inner.close()


def place(pod: Object) -> Place | None:
    name, port = meta.name(pod), meta.annotations(pod).get(PORT)
    return Place(name, "127.0.0.1", names.member_host(name, meta.namespace(pod)), int(port)) if port else None


async def image(asked: Asked) -> Image:
    return IMAGE


async def operate(folder: Path) -> None:
    read = {name: (folder / name).read_bytes() for name in ("ca.crt", "client.crt", "client.key")}
    config = Kubeconfig(
        f"https://127.0.0.1:{(folder / 'port').read_text()}",
        certificate_authority=read["ca.crt"],
        client_certificate=read["client.crt"],
        client_key=read["client.key"],
    )
    transport = Counting(HttpTransport(config))
    client = Client(transport, field_manager="operator")
    informers, recorder = Informers(client), Recorder(client, None, "pilothouse")
    accounts = AccountController(client, informers, recorder)
    instances = InstanceController(client, informers, recorder, image, bundle(), accounts, place=place)
    async with scope() as tasks:
        tasks.spawn(allocator.give_back())
        tasks.spawn(recorder.run())
        await tasks.start(informers.run)
        await tasks.start(accounts.run)
        await tasks.start(instances.run)
        while True:
            said = {"calls": dict(transport.counts), "rounds": instances.controller.outcomes.total()}
            (folder / f"{SAID}.new").write_text(json.dumps(said))
            (folder / f"{SAID}.new").rename(folder / SAID)
            await asyncio.sleep(EACH_S)


if __name__ == "__main__":
    allocator.restrain()
    collector.restrain()
    uvloop.run(operate(Path(sys.argv[1])))
