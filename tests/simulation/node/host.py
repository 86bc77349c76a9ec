"""The machine below a simulated node: its cgroups and mounts, as sets of paths. What is left in them when no pod is left is a leak."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.volumes import volumes
from pilothouse.engine.node.work import resizing, sandboxing


@dataclass(slots=True)
class Host:
    """cgroups: uids of pods that have one. mounts: mount points."""

    cgroups: set[str] = field(default_factory=set)
    mounts: set[str] = field(default_factory=set)

    def restart(self) -> None:
        """What a machine has after it was switched off and on: no mounts and no cgroups."""
        self.cgroups.clear()
        self.mounts.clear()

    @contextmanager
    def stands_in(self) -> Iterator[None]:
        """For the machine that the test runs on, until the end of the block."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(volumes, "mount_memory", lambda folder, options, name="tmpfs": self.mounts.add(str(folder)))
            patch.setattr(volumes, "is_mounted", lambda folder: str(folder) in self.mounts)
            patch.setattr(volumes, "mounts_below", self._below)
            patch.setattr(volumes, "unmount", lambda folder: self.mounts.discard(str(folder)))
            patch.setattr(sandboxing, "weigh", lambda parent, shares: self.cgroups.add(_uid(parent)))
            patch.setattr(resizing, "weigh", lambda parent, shares: self.cgroups.add(_uid(parent)))
            patch.setattr(cgroups, "pods", lambda instance: set(self.cgroups))
            patch.setattr(cgroups, "kill_strays", lambda instance, known: {})
            patch.setattr(cgroups, "clear", self._clear)
            yield

    def _clear(self, parent: str) -> set[int]:
        self.cgroups.discard(_uid(parent))
        return set()

    def _below(self, folder: Path) -> list[str]:
        return sorted((each for each in self.mounts if Path(each).is_relative_to(folder)), key=len, reverse=True)


def _uid(parent: str) -> str:
    return parent.rpartition("/pod")[2]
