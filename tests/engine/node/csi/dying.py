"""Mounts a volume of a driver into a pod and lets go of it, and kills itself at a step on the way.

Usage: python -m tests.engine.node.csi.dying HOME SOCKET STEP. Steps are counted before and after each note on the disk and each call of the
driver; with a step beyond the last one it ends by itself and prints "over".
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilothouse.engine.csi.driver import Driver
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi import records
from pilothouse.engine.node.csi.attaching import Attaching
from pilothouse.engine.node.csi.drivers import Drivers, ask
from pilothouse.engine.node.csi.volumes import CsiVolumes
from pilothouse.engine.node.files import durable
from tests.engine.node.csi.world import NODE, Api, persistent, pod

left = [0]


def step() -> None:
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def stepping(work: Callable[..., Any]) -> Callable[..., Any]:
    def between(*args: Any) -> Any:
        step()
        done = work(*args)
        step()
        return done

    return between


class Dying(Driver):
    async def call(self, *args: Any) -> Any:
        step()
        answer = await super().call(*args)
        step()
        return answer


async def main(home: Path, socket: Path, at: int) -> None:
    config, api = NodeConfig(home=home, node_name=NODE, instance="pilothouse-test"), Api()
    api.drivers["folders.test"] = {"spec": {"attachRequired": False}}
    drivers, client = Drivers(config), Dying("folders.test", socket)
    drivers.add(await ask(config, client, Path("r"), str(socket)))
    attaching = Attaching(config, api, lambda: None)
    volumes = CsiVolumes(config, drivers, api, attaching, lambda uid: None, time.monotonic, wait_s=30.0)
    await volumes.open()
    durable.write, records.remove = stepping(durable.write), stepping(records.remove)
    left[0] = at
    where = await volumes.mount(pod(), persistent())
    (where / "file").write_text("kept")
    assert await volumes.drop("uid-1") == []
    while list(records.staged(config)):
        await asyncio.sleep(0.01)
    print("over", flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
