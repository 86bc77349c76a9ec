"""From `ph up` to a node that is Ready: with a new home (cold) and after `ph down` (warm), the cluster alone and with the platform.

Compared with a real Kubernetes' start; the cluster alone is the like for like. `node_ready` is asked of the API every few milliseconds,
from the moment `ph` is started until the node says Ready under a lease renewed after that moment; `ph_up` is when the command returns.
Steps are what the daemon notes in run/control.json. Beside it, how long the command line itself takes to start.
"""

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime

from bench.rig.calm import until_calm
from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, now
from bench.rig.instance import PH, Instance
from bench.rig.objects import is_ready
from bench.rig.raw import Connection, Refused
from pilothouse.aio.process import run as run_program
from pilothouse.aio.tasks import scope
from pilothouse.client.kubeconfig import KubeconfigError
from pilothouse.model.json import Object, loads
from pilothouse.model.kinds import LEASES, NODES

POLL_S = 0.01
READY_S = 120.0


async def run(context: Context) -> Figures:
    figures: Figures = {}
    for name, platform in (("cluster_alone", False), ("with_platform", True)):
        cold, warm = [], []
        times = context.pick(5, 1)
        for number in range(times):
            context.say(f"{name.replace('_', ' ')}, {number + 1}")
            async with context.planned_instance(platform=platform) as instance:
                cold.append(await boot(instance))
                await instance.down()
                warm.append(await boot(instance))
                if platform and number == times - 1:
                    figures["command_line"] = await command_line(context, instance)
        figures[name] = {"cold": summary(cold), "warm": summary(warm)}
    return figures


async def boot(instance: Instance) -> tuple[float, float, dict[str, float]]:
    """Seconds until the node was Ready, seconds until `ph up` returned, the daemon's steps."""
    began = datetime.now(UTC)
    start = now()
    async with scope() as tasks:
        ready = tasks.spawn(_until_ready(instance, began))
        up = await instance.up()
        node = await ready - start
    return node, up, instance.steps()


async def _until_ready(instance: Instance, began: datetime) -> float:
    """The moment; nothing answers at first, and on a warm start the kubeconfig is there long before the server."""
    async with asyncio.timeout(READY_S):
        while True:
            with contextlib.suppress(OSError, KubeconfigError, ssl.SSLError, Refused):
                connection = await Connection.connect(instance.endpoint)
                try:
                    return await _ready_on(connection, began)
                finally:
                    connection.close()
            await asyncio.sleep(POLL_S)


async def _ready_on(connection: Connection, began: datetime) -> float:
    while True:
        nodes = loads(await connection.request("GET", NODES.path()))["items"]
        leases = loads(await connection.request("GET", LEASES.path("kube-node-lease")))["items"]
        if any(is_ready(node) for node in nodes) and any(renewed_after(lease, began) for lease in leases):
            return now()
        await asyncio.sleep(POLL_S)


def renewed_after(lease: Object, moment: datetime) -> bool:
    text = (lease.get("spec") or {}).get("renewTime")
    return text is not None and datetime.fromisoformat(text) > moment


def summary(boots: list[tuple[float, float, dict[str, float]]]) -> Figures:
    steps = {name: latencies([each[2][name] / 1000 for each in boots if name in each[2]]) for name in boots[0][2]}
    return {"node_ready": latencies([each[0] for each in boots]), "ph_up": latencies([each[1] for each in boots]), "steps": steps}


async def command_line(context: Context, instance: Instance) -> Figures:
    """The whole process, from fork to exit, on an instance that does nothing else (with --quick it may)."""
    if not context.quick:
        await until_calm(instance)

    async def took(*words: str) -> float:
        began = now()
        (await run_program([PH, "--home", instance.home.path, *words])).check()
        return now() - began

    figures = {}
    for name, words in (("ph_help", ("--help",)), ("ph_apps", ("apps",))):
        figures[name] = latencies([await took(*words) for _ in range(context.pick(10, 3))])
    return figures
