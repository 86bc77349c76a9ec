"""A process that makes, copies or takes a snapshot of a volume, and is killed by the kernel before or after a step.

Arguments: HOME WORK STEP. STEP is `module.function`, with `+` before it for after the function has returned. Nothing is cleaned up.
"""

import asyncio
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from pilothouse.aio.process import Completed, ProcessFailed
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.local_volumes import image, works
from pilothouse.engine.node.local_volumes.snapshots import LocalSnapshots
from pilothouse.engine.node.local_volumes.store import LocalVolumes, Wanted
from tests.engine.node.local_volumes.conftest import MIB, NAMES, SNAPSHOT

ROOM = "pilothouse.engine.node.local_volumes."


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def refused(file: Path, point: Path) -> None:
    """A kernel that lets nobody grow a file system while it is mounted."""
    raise ProcessFailed(Completed(("resize2fs",), 1, b"", b"Permission denied to resize filesystem"))


def plant(step: str) -> None:
    image.can_grow_mounted = lambda: not step.endswith("grow_idle")
    module_name, name = step.lstrip("+").rsplit(".", 1)
    module: Any = importlib.import_module(ROOM + module_name)
    whole = getattr(module, name)

    def killed(*args: Any, **kwargs: Any) -> Any:
        if not step.startswith("+"):
            die()
        found = whole(*args, **kwargs)
        if asyncio.iscoroutine(found):
            return then(found)
        die()
        return None

    async def then(coroutine: Any) -> None:
        await coroutine
        die()

    setattr(module, name, killed)


async def work(home: Path, what: str) -> None:
    volumes = LocalVolumes(NodeConfig(home=home, node_name="n1", instance="pilothouse-test"))
    await volumes.recover()
    if what == "snapshot":
        await LocalSnapshots(volumes).ensure(SNAPSHOT, NAMES[0])
    else:
        sources = {"make": "", "clone": NAMES[0], "restore": SNAPSHOT}
        await volumes.ensure(NAMES[1], Wanted(32 * MIB, source=sources[what]))


if __name__ == "__main__":
    plant(sys.argv[3])
    works.WAIT_S = 60.0
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2]))
