"""What is known of the node and its pods at one moment, as plain values.

Times are seconds since the epoch, sizes are bytes. None: not known (yet). Memory's working set is usage less what the kernel can
drop at once (inactive file pages), as cAdvisor counts it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.engine.node.stats.rooms import PodRoom
from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class Cpu:
    """total_ns: CPU time used since the start. nanocores: the rate since the figures before."""

    total_ns: int
    nanocores: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """available_bytes: None where nothing limits it. cache_bytes: None where the runtime does not say."""

    usage_bytes: int
    working_set_bytes: int
    available_bytes: int | None = None
    rss_bytes: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    cache_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A mounted file system as a whole. available_bytes: for those who are not root; with what is used less than the capacity."""

    device: int
    capacity_bytes: int
    available_bytes: int
    used_bytes: int
    inodes: int
    inodes_free: int

    @property
    def inodes_used(self) -> int:
        return max(0, self.inodes - self.inodes_free)


@dataclass(frozen=True, slots=True)
class Disk:
    """What a tree of files takes."""

    used_bytes: int = 0
    inodes: int = 0

    def __add__(self, other: "Disk") -> "Disk":
        return Disk(self.used_bytes + other.used_bytes, self.inodes + other.inodes)


@dataclass(frozen=True, slots=True)
class Interface:
    """Counters of a network interface since it was made, seen from the side that owns it."""

    name: str
    rx_bytes: int = 0
    rx_packets: int = 0
    rx_errors: int = 0
    rx_dropped: int = 0
    tx_bytes: int = 0
    tx_packets: int = 0
    tx_errors: int = 0
    tx_dropped: int = 0


@dataclass(frozen=True, slots=True)
class Throttling:
    """Of a container with a CPU limit: periods of the limit so far, those in which it was used up, and how long the container waited."""

    periods: int
    throttled: int
    throttled_ns: int


@dataclass(frozen=True, slots=True)
class ContainerFigures:
    """rootfs: its writable layer. logs: its log files, older ones included. throttling: None without a CPU limit."""

    name: str
    id: str
    image: str
    started_at: float
    taken_at: float
    cpu: Cpu | None = None
    memory: Memory | None = None
    rootfs: Disk | None = None
    logs: Disk | None = None
    throttling: Throttling | None = None


@dataclass(frozen=True, slots=True)
class PodFigures:
    """pod: its object. volumes: what its volumes on this node take, by name; in_memory: those of them that lie in memory.

    rooms: how much is left in its volumes of claims and drivers.
    given: what the files take that the node gives its containers (hosts file, termination messages), which they may write to.
    """

    pod: Object
    started_at: float
    taken_at: float
    cpu: Cpu | None = None
    memory: Memory | None = None
    processes: int | None = None
    interfaces: tuple[Interface, ...] = ()
    containers: tuple[ContainerFigures, ...] = ()
    volumes: Mapping[str, Disk] = field(default_factory=dict)
    in_memory: frozenset[str] = frozenset()
    given: Disk = field(default_factory=Disk)
    rooms: tuple[PodRoom, ...] = ()

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.pod["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])

    @property
    def disk(self) -> Disk:
        """Ephemeral storage: writable layers, logs, volumes on disk, and the files that containers are given."""
        return self.layers + self.local

    @property
    def layers(self) -> Disk:
        """What containers have written into their own file systems."""
        return sum((each.rootfs for each in self.containers if each.rootfs is not None), Disk())

    @property
    def local(self) -> Disk:
        """All of it but writable layers."""
        logs = sum((each.logs for each in self.containers if each.logs is not None), self.given)
        return sum((disk for name, disk in self.volumes.items() if name not in self.in_memory), logs)


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """fs: where pods' volumes and logs lie. image_fs: where images and writable layers lie; often the same device.

    image_bytes: of all images together. processors: that pods may run on.
    """

    name: str
    booted_at: float
    taken_at: float
    cpu: Cpu
    memory: Memory
    memory_capacity_bytes: int
    fs: Filesystem
    image_fs: Filesystem
    processes: int
    most_processes: int
    interfaces: tuple[Interface, ...] = ()
    image_bytes: int = 0
    processors: int = 1

    @property
    def has_image_fs(self) -> bool:
        """Whether images have a file system of their own."""
        return self.fs.device != self.image_fs.device


@dataclass(frozen=True, slots=True)
class Figures:
    node: NodeFigures
    pods: tuple[PodFigures, ...] = ()

    def of(self, uid: str) -> PodFigures | None:
        return next((each for each in self.pods if each.uid == uid), None)
