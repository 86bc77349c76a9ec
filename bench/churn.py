"""Memory after long churn that leaves nothing behind: writers, conflicts and watchers, then rest.

An API server alone. Sixteen clients create, update (each value twice, so that half of the updates are conflicts) and delete ConfigMaps
of 1 to 30 KB in ten namespaces; ten watchers read everything; one lists. For twenty minutes; then all is deleted and the server rests for
a minute. Compared with its memory before, when it was fresh.
"""

import asyncio
import random
from pathlib import Path

from bench.rig.alone import api_alone
from bench.rig.context import Context
from bench.rig.figures import Figures, now
from bench.rig.objects import configmap
from bench.rig.raw import Connection, Refused, connections
from pilothouse.aio.tasks import each, scope
from pilothouse.model.json import Object, dumps, loads
from pilothouse.model.kinds import CONFIGMAPS, NAMESPACES

WRITERS, WATCHERS = 16, 10
NAMES = [f"churn-{number}" for number in range(10)]
REST_S = 60.0


class Churn:
    def __init__(self, seed: int = 1) -> None:
        self.operations = self.conflicts = 0
        self._dice = random.Random(seed)

    async def write(self, connection: Connection, index: int, end: float) -> None:
        number = 0
        while now() < end:
            number += 1
            path, name = CONFIGMAPS.path(self._dice.choice(NAMES)), f"w{index}-{number}"
            made = loads(await connection.request("POST", path, dumps(_object(name, self._dice.randrange(1000, 30_000)))))
            for _ in range(3):
                changed = dumps(made | {"data": {"text": "y" * self._dice.randrange(1000, 30_000)}})
                made = loads(await connection.request("PUT", f"{path}/{name}", changed))
                await self._conflict(connection, f"{path}/{name}", changed)
            await connection.request("DELETE", f"{path}/{name}")
            self.operations += 8

    async def _conflict(self, connection: Connection, path: str, stale: bytes) -> None:
        try:
            await connection.request("PUT", path, stale)
        except Refused as refused:
            if refused.status != 409:
                raise
            self.conflicts += 1

    async def list(self, connection: Connection, end: float) -> None:
        while now() < end:
            await connection.request("GET", CONFIGMAPS.path())
            self.operations += 1
            await asyncio.sleep(0.1)


async def run(context: Context) -> Figures:
    seconds = context.pick(1200, 30)
    async with api_alone(context.folder / "churn") as alone:
        async with connections(alone.endpoint, WRITERS) as opened:
            for name in NAMES:
                await opened[0].request("POST", NAMESPACES.path(), dumps({"metadata": {"name": name}}))
        fresh, churn = alone.memory_mib(), Churn()
        async with (
            connections(alone.endpoint, WRITERS + 1) as opened,
            connections(alone.endpoint, WATCHERS) as watching,
            scope() as tasks,
        ):
            for one in watching:
                await one.watch(f"{CONFIGMAPS.path()}?watch=true", lambda _: None)
            end = now() + seconds
            tasks.spawn(_report(context, churn, alone.pid))
            work = [churn.write(one, index, end) for index, one in enumerate(opened[1:])]
            await each([*work, churn.list(opened[0], end)], limit=WRITERS + 1)
            tasks.cancel()
        peak = alone.peak_mib()
        await asyncio.sleep(context.pick(int(REST_S), 30))
        return {
            "fresh_mib": round(fresh, 1),
            "peak_mib": round(peak, 1),
            "after_mib": round(alone.memory_mib(), 1),
            "operations": churn.operations,
            "conflicts": churn.conflicts,
            "seconds": seconds,
        }


async def _report(context: Context, churn: Churn, pid: int) -> None:
    while True:
        await asyncio.sleep(60)
        resident = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
        context.say(f"{churn.operations} operations, {int(resident.split()[1]) >> 10} MiB")


def _object(name: str, size: int) -> Object:
    return configmap(name, size) | {"metadata": {"name": name}}
