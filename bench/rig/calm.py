"""When an instance with the platform has come to rest: its first minutes go into making base images in the background."""

import asyncio

from bench.rig import processes
from bench.rig.instance import Instance

POLL_S = 0.5
DEADLINE_S = 900.0
MAKER = "mmdebstrap"


async def until_calm(instance: Instance) -> None:
    """Returns once no base image is being made any more; raises TimeoutError."""
    async with asyncio.timeout(DEADLINE_S):
        while await asyncio.to_thread(_is_making, instance):
            await asyncio.sleep(POLL_S)


def _is_making(instance: Instance) -> bool:
    found = processes.members(instance.home.path, processes.everything())
    return any(member.process.name == MAKER for member in found)
