"""What a benchmark is given: how much to do, where, and an instance when it wants one."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.rig.figures import now
from bench.rig.instance import Instance, destroy, planned


@dataclass(slots=True)
class Context:
    """folder: empty, on disk, removed after the run. leftovers: instances that could not be removed, with the reason.

    parts: of the benchmark under way that are to run; all when there are none.
    """

    folder: Path
    quick: bool = False
    parts: tuple[str, ...] = ()
    leftovers: list[str] = field(default_factory=list)
    _homes: int = field(default=0, init=False)
    _began: float = field(default_factory=now, init=False)

    def pick(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def chooses(self, part: str) -> bool:
        return not self.parts or part in self.parts

    def say(self, text: str) -> None:
        print(f"[{now() - self._began:6.1f} s] {text}", file=sys.stderr, flush=True)

    @asynccontextmanager
    async def planned_instance(self, *, platform: bool = False) -> AsyncIterator[Instance]:
        """Not started yet; destroyed at the end of the block. platform False: the cluster alone, as another Kubernetes would be."""
        self._homes += 1
        instance = planned(self.folder / f"home{self._homes}", platform=platform)
        try:
            yield instance
        finally:
            failure = await destroy(instance)
            if failure:
                self.leftovers.append(f"{instance.home.path}: {last_line(failure)}")
                self.say(f"not removed: {self.leftovers[-1]}")

    @asynccontextmanager
    async def instance(self, *, platform: bool = False) -> AsyncIterator[Instance]:
        """Running, with the tools image on its node."""
        async with self.planned_instance(platform=platform) as instance:
            self.say("starting an instance")
            await instance.up()
            await instance.import_image()
            yield instance
            self.say("removing the instance")


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""
