"""kill -9 of the daemon while clients write: how long until a write is acknowledged again, and what is lost.

Nothing may be lost: every write that was acknowledged before is asked for afterwards, and the pods that ran must run on as they are (same
containers, no restart). Each round has an instance of its own, for a supervisor waits longer when a process dies young.
A writer tries again at once when it is refused, so its own pace adds a few milliseconds at most.
"""

import asyncio
import contextlib
import os
import signal
import ssl

from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, now
from bench.rig.follow import all_of, following
from bench.rig.instance import Instance
from bench.rig.objects import NAMESPACE, configmap, is_ready, pod
from bench.rig.raw import Connection, Endpoint, Refused
from pilothouse.aio.tasks import scope
from pilothouse.model import meta
from pilothouse.model.json import Object, dumps
from pilothouse.model.kinds import CONFIGMAPS, NAMESPACES, PODS

WRITERS, PODS_RUNNING = 8, 3
BEFORE_S = 1.0
RETRY_S = 0.005
CALL_S = 5.0
BACK_S = 60.0


class Writer:
    """Creates one ConfigMap after another, whatever the server does. acknowledged: name -> when; since: when its connection was opened."""

    def __init__(self, endpoint: Endpoint, number: int) -> None:
        self._endpoint = endpoint
        self._number = number
        self._written = 0
        self.acknowledged: dict[str, float] = {}
        self.since = 0.0

    async def run(self) -> None:
        while True:
            with contextlib.suppress(OSError, ssl.SSLError, TimeoutError, Refused):
                await self._write_on()
            await asyncio.sleep(RETRY_S)

    async def _write_on(self) -> None:
        """On one connection, until it breaks. A name is used once: a write whose answer was lost may stand."""
        began = now()
        async with asyncio.timeout(CALL_S):
            connection = await Connection.connect(self._endpoint)
        try:
            while True:
                name = f"w{self._number}-{self._written}"
                self._written += 1
                async with asyncio.timeout(CALL_S):
                    await connection.request("POST", CONFIGMAPS.path(NAMESPACE), dumps(configmap(name)))
                self.acknowledged[name] = now()
                self.since = began
        finally:
            connection.close()


async def run(context: Context) -> Figures:
    rounds = []
    for number in range(context.pick(5, 1)):
        context.say(f"round {number + 1}")
        async with context.instance() as instance:
            rounds.append(await one_round(instance))
    took = [found["seconds"] for found in rounds]
    totals = {name: sum(found[name] for found in rounds) for name in rounds[0] if name != "seconds"}
    return {"kill_to_first_acknowledged_write": latencies(took), **totals}


async def one_round(instance: Instance) -> dict[str, float]:
    async with instance.client() as client:
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        async with following(client, PODS) as follower:
            for number in range(PODS_RUNNING):
                await client.create(PODS, pod(f"pod-{number}"))
            await follower.until(all_of(PODS_RUNNING, lambda _, obj: is_ready(obj)))
        before = containers((await client.list(PODS, NAMESPACE)).items)
    seconds, acknowledged = await kill_under_writers(instance)
    async with instance.client() as client:
        stored = {meta.name(obj) for obj in (await client.list_all(CONFIGMAPS, NAMESPACE)).items}
        after = containers((await client.list(PODS, NAMESPACE)).items)
    lost = len(acknowledged - stored)
    return {
        "seconds": seconds,
        "acknowledged_writes": len(acknowledged),
        "lost_writes": lost,
        "restarted_containers": len(before ^ after) // 2,
    }


def containers(pods: list[Object]) -> set[tuple[str, int]]:
    """The containers of pods as their status has them: id and restarts."""
    statuses = [status for each in pods for status in each["status"].get("containerStatuses") or ()]
    return {(status.get("containerID", ""), status.get("restartCount", 0)) for status in statuses}


async def kill_under_writers(instance: Instance) -> tuple[float, set[str]]:
    """Seconds without an acknowledged write, and the names of all that were acknowledged."""
    writers = [Writer(instance.endpoint, number) for number in range(WRITERS)]
    daemon = instance.daemon
    assert daemon is not None
    async with scope() as tasks:
        for writer in writers:
            tasks.spawn(writer.run())
        await asyncio.sleep(BEFORE_S)
        killed = now()
        os.kill(daemon, signal.SIGKILL)
        async with asyncio.timeout(BACK_S):
            while (first := first_since(writers, killed)) is None:
                await asyncio.sleep(RETRY_S)
        tasks.cancel()
    return first - killed, {name for writer in writers for name in writer.acknowledged}


def first_since(writers: list[Writer], moment: float) -> float | None:
    """The first acknowledgement on a connection opened after the moment: an older one may still hold an answer of the process that died."""
    back = [writer for writer in writers if writer.since > moment]
    return min((at for writer in back for at in writer.acknowledged.values() if at > writer.since), default=None)
