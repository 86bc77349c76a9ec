"""Figures of a node as a test wants them: plenty of everything until it says otherwise.

It passes `tests.contracts.figures` as real ones do.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pilothouse.engine.node.stats.figures import Cpu, Figures, Filesystem, Memory, NodeFigures, PodFigures

GIB = 1 << 30


def plenty(name: str = "node-1") -> NodeFigures:
    disk = Filesystem(1, 100 * GIB, 80 * GIB, 20 * GIB, 1_000_000, 900_000)
    memory = Memory(4 * GIB, 3 * GIB, 13 * GIB)
    return NodeFigures(name, time.time(), time.time(), Cpu(10**9), memory, 16 * GIB, disk, disk, 300, 32768)


@dataclass(slots=True)
class FakeFigures:
    """of_node, pods: what is told. looks: how often somebody has asked for the node's. measurements: how often for the pods' as well.

    fails: whether there are no figures to be had. first: called before each look, to make the figures follow from something.
    """

    of_node: NodeFigures = field(default_factory=plenty)
    pods: dict[str, PodFigures] = field(default_factory=dict)
    looks: int = 0
    measurements: int = 0
    fails: bool = False
    first: Callable[[], None] = lambda: None

    def memory_available(self, available_bytes: int) -> None:
        self.of_node = replace(self.of_node, memory=replace(self.of_node.memory, available_bytes=available_bytes))

    def disk_available(self, available_bytes: int) -> None:
        disk = replace(self.of_node.fs, available_bytes=available_bytes)
        self.of_node = replace(self.of_node, fs=disk, image_fs=disk)

    def uses(self, pod: PodFigures) -> None:
        self.pods[pod.uid] = pod

    async def node(self) -> NodeFigures:
        self.looks += 1
        self.first()
        if self.fails:
            raise OSError("the test says so")
        return self.of_node

    async def measured(self, max_age_s: float) -> Figures:
        self.measurements += 1
        if self.fails:
            raise OSError("the test says so")
        return Figures(self.of_node, tuple(self.pods.values()))
