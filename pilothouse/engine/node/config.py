"""What the node agent is told by whoever wires it: names, addresses, folders, limits."""

from dataclasses import dataclass, field
from pathlib import Path

PAUSE_IMAGE = "registry.pilothouse.internal/pause:1"


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Settings of one node. `home` is the instance's state directory; all that the agent writes lies under it.

    instance: a name that is unique on the machine, for cgroups and mounts. cluster_dns: addresses given to pods as name servers; empty:
    pods use the host's. eviction of pods is not the agent's matter.
    programs: a folder of containerds that came with Pilothouse, a folder a version; None: there is only the machine's own.
    log_max_bytes, log_files: a container's log is rotated at that size, and that many files are kept.
    """

    home: Path
    node_name: str
    instance: str
    addresses: tuple[str, ...] = ("127.0.0.1",)
    labels: dict[str, str] = field(default_factory=dict)
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    pod_cidr: str = ""
    max_pods: int = 250
    sandbox_image: str = PAUSE_IMAGE
    programs: Path | None = None
    log_max_bytes: int = 10 * 1024 * 1024
    log_files: int = 5
    reserved_memory_bytes: int = 256 * 1024 * 1024
    lease_s: int = 40
    heartbeat_s: float = 10.0
    relist_s: float = 60.0
    image_high_percent: int = 85
    image_low_percent: int = 80

    @property
    def cgroup(self) -> str:
        return f"/{self.instance}"

    @property
    def containerd_dir(self) -> Path:
        return self.home / "containerd"

    @property
    def pods_dir(self) -> Path:
        return self.home / "pods"

    @property
    def memory_dir(self) -> Path:
        """Where a tmpfs holds what must not touch the disk."""
        return self.home / "memory"

    @property
    def seccomp_dir(self) -> Path:
        """Where the node's administrator puts the profiles that pods name with seccomp type Localhost."""
        return self.home / "seccomp"

    @property
    def logs_dir(self) -> Path:
        return self.home / "logs" / "pods"

    @property
    def cni_conf_dir(self) -> Path:
        return self.home / "cni" / "net.d"

    @property
    def cni_bin_dir(self) -> Path:
        return self.home / "cni" / "bin"

    def pod_dir(self, uid: str) -> Path:
        return self.pods_dir / uid

    def pod_logs(self, namespace: str, name: str, uid: str) -> Path:
        return self.logs_dir / f"{namespace}_{name}_{uid}"
