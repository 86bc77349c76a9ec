"""What the node agent is told by whoever wires it: names, addresses, folders, limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.engine.node.own_folders import own_folder

PODS_LOGS, CONTAINERS_LOGS = "/var/log/pods", "/var/log/containers"
"""Where pods that gather logs look for those of their node."""
PAUSE_IMAGE = "registry.pilothouse.internal/pause:1"
KUBELET = "/var/lib/kubelet"
"""The kubelet's folder, as pods name it in hostPath volumes and drivers in paths: each node has one of its own, below its home."""
HOSTS_FILE, MESSAGE_FILES = "etc-hosts", "containers"
"""In a pod's folder: what its containers have as /etc/hosts, and their termination messages. They may write to both."""


HARD = "memory.available<100Mi,nodefs.available<5%,nodefs.inodesFree<5%,imagefs.available<5%,imagefs.inodesFree<5%"
"""Upstream's thresholds, but for disks, of which it keeps 10% and 15% free."""


@dataclass(frozen=True, slots=True)
class EvictionConfig:
    """Thresholds, grace periods and minimum reclaims in the syntax of kubelet's flags (see `eviction.thresholds`).

    transition_s: how long a condition of the node stays after it was last called for. most_grace_s: that a pod gets at a soft threshold.
    interval_s: between two looks.
    """

    hard: str = HARD
    soft: str = ""
    soft_grace_period: str = ""
    minimum_reclaim: str = ""
    transition_s: float = 300.0
    most_grace_s: int = 0
    interval_s: float = 10.0


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Settings of one node. `home` is the instance's state directory; all that the agent writes lies under it.

    instance: a name that is unique on the machine, for cgroups and mounts. cluster_dns: addresses given to pods as name servers; empty:
    pods use the host's. addresses, pod_cidrs: one, or one of each IP family, the primary first; without pod_cidrs the node is given some.
    port: of the kubelet API, as the Node's status names it.
    programs: a folder of containerds that came with Pilothouse, a folder a version; None: there is only the machine's own.
    log_max_bytes, log_files: a container's log is rotated at that size, and that many files are kept. image_min_age_s, container_min_age_s:
    since an image was first seen, or a container ended; younger ones are not collected.
    allowed_sysctls: names or patterns of kernel parameters that pods may set beside the safe ones.
    reached_by: the address of the node's machine for nodes of other machines, where `addresses` are not reached from there; "" for none.
    own_folders: hostPath paths that mean a folder of this node's own, and that folder: a pod's spec is written before its node is known.
    """

    home: Path
    node_name: str
    instance: str
    addresses: tuple[str, ...] = ("127.0.0.1",)
    labels: dict[str, str] = field(default_factory=dict)
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    pod_cidrs: tuple[str, ...] = ()
    reached_by: str = ""
    port: int = 10250
    max_pods: int = 250
    sandbox_image: str = PAUSE_IMAGE
    programs: Path | None = None
    allowed_sysctls: tuple[str, ...] = ()
    log_max_bytes: int = 10 * 1024 * 1024
    log_files: int = 5
    reserved_memory_bytes: int = 256 * 1024 * 1024
    lease_s: int = 40
    heartbeat_s: float = 10.0
    relist_s: float = 60.0
    image_high_percent: int = 85
    image_low_percent: int = 80
    image_min_age_s: float = 120.0
    container_min_age_s: float = 60.0
    eviction: EvictionConfig = EvictionConfig()
    own_folders: Mapping[str, Path] = field(default_factory=dict)

    @property
    def containerd_dir(self) -> Path:
        return self.home / "containerd"

    @property
    def kubelet_dir(self) -> Path:
        """What `KUBELET` means on this node."""
        return self.home / "kubelet"

    @property
    def pods_dir(self) -> Path:
        return self.kubelet_dir / "pods"

    @property
    def plugins_dir(self) -> Path:
        """Where storage drivers have their sockets, and volumes are staged."""
        return self.kubelet_dir / "plugins"

    @property
    def registrations_dir(self) -> Path:
        """Where drivers make themselves known, a socket each."""
        return self.kubelet_dir / "plugins_registry"

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
    def log_links_dir(self) -> Path:
        """Links to the logs of containers, for pods that gather logs."""
        return self.home / "logs" / "containers"

    @property
    def log_folders(self) -> Mapping[str, Path]:
        """Where pods look for the logs of their node, and where those are."""
        return {PODS_LOGS: self.logs_dir, CONTAINERS_LOGS: self.log_links_dir}

    @property
    def cni_conf_dir(self) -> Path:
        return self.home / "cni" / "net.d"

    @property
    def cni_bin_dir(self) -> Path:
        return self.home / "cni" / "bin"

    @property
    def manifests_dir(self) -> Path:
        """Where the node's administrator puts static pods, a file each."""
        return self.home / "manifests"

    @property
    def static_dir(self) -> Path:
        """What the node remembers of static pods."""
        return self.home / "static-pods"

    @property
    def pulls_dir(self) -> Path:
        """Where it is noted by whose credentials images were pulled."""
        return self.home / "image-pulls"

    @property
    def volumes_dir(self) -> Path:
        """Where the volumes lie that are made on this node for claims."""
        return self.home / "volumes"

    def on_node(self, path: str) -> Path:
        """Where a hostPath, or a path that a driver has named, is on this node."""
        owned = {**self.own_folders, **self.log_folders, KUBELET: self.kubelet_dir}
        return own_folder(path, owned) or Path(path)

    def pod_dir(self, uid: str) -> Path:
        return self.pods_dir / uid

    def pod_logs(self, namespace: str, name: str, uid: str) -> Path:
        return self.logs_dir / f"{namespace}_{name}_{uid}"
