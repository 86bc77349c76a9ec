"""What hostile clients cost: memory of the server at its peak and after them, and what a good client notices meanwhile.

An API server alone. 5,000 idle TLS connections, half of which have never asked anything; requests by the thousand whose answers nobody
reads; bodies of 3 MiB by a known user and by strangers; watchers that do not read while somebody writes; writers of a byte a time;
guessed tokens, each over a new connection. The good client is another user, with one connection. Compared with a quiet server in the
same run. `server` is what the server's event loop worked between a question of the good client and its answer, in milliseconds like the
rest: on a machine that others use as well it says more than the time that passed. `idle_kib` is the
server's memory an idle connection, about: others begin when the last is open.
"""

import asyncio
import resource
from collections.abc import Awaitable, Callable

from bench.fairness import FLOODER, OTHER, prepare, signed_in
from bench.rig.alone import Alone, api_alone
from bench.rig.attack import OPENING_S, attacking
from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, now
from bench.rig.objects import configmap
from bench.rig.raw import Connection, connections
from pilothouse.aio.tasks import scope
from pilothouse.model.json import dumps
from pilothouse.model.kinds import CONFIGMAPS

PAUSE_S = 0.01


async def run(context: Context) -> Figures:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    folder, idle = context.folder / "hostile", context.pick(5000, 300)
    async with api_alone(folder) as alone:
        await prepare(alone, folder, 200)
        fresh = alone.memory_mib()
        async with connections(signed_in(alone, folder, OTHER), 1) as (good,), scope() as tasks:
            quiet = await asked(alone, good, context.pick(10, 3))
            async with attacking(folder, alone.endpoint.port, FLOODER, idle) as done:
                context.say("opening idle connections")
                opening = await asked(alone, good, int(OPENING_S), until=lambda: done().get("opened", 0) >= idle)
                idle_kib = (alone.memory_mib() - fresh) * 1024 / max(1, done().get("idle", 0))
                context.say(f"idle: {done()}")
                # Opened by now: it would be the one that has rested longest.
                async with connections(alone.endpoint, 1) as (admin,):
                    tasks.spawn(_write(admin))
                    attacked = await asked(alone, good, context.pick(60, 10))
                    attack = done()
                    tasks.cancel()
        peak = alone.peak_mib()
        context.say("resting")
        await asyncio.sleep(context.pick(120, 45))
        memory = {"fresh_mib": fresh, "peak_mib": peak, "after_mib": alone.memory_mib()}
    figures = {name: round(size, 1) for name, size in {**memory, "idle_kib": idle_kib}.items()}
    return {**figures, "quiet": quiet, "while_opening": opening, "attacked": attacked, "attack": attack}


async def asked(alone: Alone, connection: Connection, seconds: float, *, until: Callable[[], bool] = lambda: False) -> Figures:
    took, worked, end = [], [], now() + seconds
    while now() < end and not until():
        before = alone.cpu_s()
        took.append(await _took(connection.request("GET", f"{CONFIGMAPS.path(OTHER)}/c-7")))
        worked.append(alone.cpu_s() - before)
        await asyncio.sleep(PAUSE_S)
    return {**latencies(took), "server": latencies(worked)}


async def _took(call: Awaitable[bytes]) -> float:
    began = now()
    await call
    return now() - began


async def _write(admin: Connection) -> None:
    """What the watchers are sent and do not read: five megabytes a second."""
    path, number = CONFIGMAPS.path(FLOODER), 0
    while True:
        number += 1
        made = configmap(f"event-{number}", 100_000) | {"metadata": {"name": f"event-{number}"}}
        await admin.request("POST", path, dumps(made))
        await admin.request("DELETE", f"{path}/event-{number}")
        await asyncio.sleep(0.02)
