"""One tenant that asks for all it can get, in a process of its own: its connections list or create, as fast as they are answered.

`python -m bench.rig.flood FOLDER PORT USER CONNECTIONS LISTING` signs in as USER with FOLDER/USER.crt and works in the namespace of the
same name until it is ended; LISTING of its connections list. FOLDER/USER.count holds how many answers it has had, written each second:
those of 2xx, then those of 429.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import uvloop

from bench.rig.objects import configmap
from bench.rig.raw import Connection, Endpoint, Refused, connections
from pilothouse.aio.child import Child
from pilothouse.aio.tasks import each
from pilothouse.model.json import dumps
from pilothouse.model.kinds import CONFIGMAPS
from pilothouse.wire.tls import client_context

LABEL = {"made-by": "flood"}


class Flood:
    def __init__(self, folder: Path, user: str, listing: int) -> None:
        self._path = CONFIGMAPS.path(user)
        self._listing = listing
        self._result = folder / f"{user}.count"
        self._numbers = count()
        self._done = self._refused = 0

    async def run(self, opened: list[Connection]) -> None:
        await each([self._report(), *(self._work(one, index) for index, one in enumerate(opened))], limit=len(opened) + 1)

    async def _work(self, connection: Connection, index: int) -> None:
        while True:
            try:
                if index < self._listing:
                    await connection.request("GET", self._path)
                else:
                    name = f"flood-{os.getpid()}-{next(self._numbers)}"
                    made = configmap(name) | {"metadata": {"name": name, "labels": LABEL}}
                    await connection.request("POST", self._path, dumps(made))
                self._done += 1
            except Refused as refused:
                if refused.status != 429:
                    raise
                self._refused += 1
                await asyncio.sleep(1)

    async def _report(self) -> None:
        while True:
            self._result.write_text(f"{self._done} {self._refused}")
            await asyncio.sleep(1)


async def work(folder: Path, port: int, user: str, connected: int, listing: int) -> None:
    tls = client_context(folder / "ca.crt", folder / f"{user}.crt", folder / f"{user}.key")
    async with connections(Endpoint("127.0.0.1", port, tls), connected) as opened:
        await Flood(folder, user, listing).run(opened)


@asynccontextmanager
async def flooding(folder: Path, port: int, user: str, connected: int, *, listing: int) -> AsyncIterator[None]:
    """For the block, from its first answers on."""
    result = folder / f"{user}.count"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench.rig.flood", str(folder), str(port), user, str(connected), str(listing)]
    async with await Child.start(command, log=folder / "flood.log", cwd=Path(__file__).parents[2], dies_with_us=True):
        async with asyncio.timeout(60):
            while not result.exists() or result.read_text() in ("", "0 0"):
                await asyncio.sleep(0.05)
        yield


if __name__ == "__main__":
    uvloop.run(work(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
