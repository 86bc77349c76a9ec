"""What the node is and has: read from the machine, told in its Node object. Blocking, quick."""

import platform
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.host import cgroups, processors
from pilothouse.model.json import Object

if TYPE_CHECKING:
    # With it comes the runtime's whole API, which the control plane does not need to know its machine's architecture.
    from pilothouse.engine.node.runtime.seam import Features, Image

KUBELET_VERSION = "v1.36.0-pilothouse"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "riscv64": "riscv64"}
MAX_IMAGES, MAX_IMAGE_NAMES = 50, 5


def memory_bytes() -> int:
    """What the machine has, or what the topmost cgroup in sight may use: in a container the machine's memory is not there for pods."""
    return min([_meminfo("MemTotal"), *_limits(cgroups.ROOT)])


def _limits(root: Path) -> list[int]:
    """What bounds every pod's cgroup, on version 2 and version 1; a machine's own root has none, or one that is higher than its memory."""
    found = [_read(str(root / name)) for name in ("memory.max", "memory/memory.limit_in_bytes")]
    return [int(text) for text in found if text.isdigit()]


def _meminfo(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 0


def architecture() -> str:
    return MACHINES.get(platform.machine(), platform.machine())


def capacity(config: NodeConfig) -> Object:
    disk = shutil.disk_usage(config.home)
    return {
        "cpu": str(processors.count()),
        "memory": f"{memory_bytes() // 1024}Ki",
        "ephemeral-storage": f"{disk.total // 1024}Ki",
        "pods": str(config.max_pods),
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
    }


def allocatable(config: NodeConfig) -> Object:
    """Capacity less what the node keeps for itself."""
    disk = shutil.disk_usage(config.home)
    reserved = min(config.reserved_memory_bytes, memory_bytes() // 10)
    return capacity(config) | {
        "memory": f"{(memory_bytes() - reserved) // 1024}Ki",
        "ephemeral-storage": str(disk.total * 9 // 10),
    }


def announced(status: Object) -> Object:
    """What a Node's allocatable says of extended resources (`example.com/gpu`), which somebody has written into its capacity.

    All of them can be had; None for one that is not in the capacity any more. Source: kubelet/nodestatus/setters.go.
    """
    there, shown = status.get("capacity") or {}, status.get("allocatable") or {}
    gone: Object = {name: None for name in shown if _is_extended(name) and name not in there}
    return gone | {name: amount for name, amount in there.items() if _is_extended(name)}


def _is_extended(name: str) -> bool:
    return "/" in name and "kubernetes.io/" not in name


def node_info(runtime_version: str) -> Object:
    return {
        "architecture": architecture(),
        "bootID": _read("/proc/sys/kernel/random/boot_id"),
        "containerRuntimeVersion": runtime_version,
        "kernelVersion": platform.release(),
        "kubeProxyVersion": KUBELET_VERSION,
        "kubeletVersion": KUBELET_VERSION,
        "machineID": _read("/etc/machine-id") or _read("/var/lib/dbus/machine-id"),
        "operatingSystem": "linux",
        "osImage": _os_name(),
        "systemUUID": _read("/sys/class/dmi/id/product_uuid"),
    }


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_name() -> str:
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"


def addresses(config: NodeConfig) -> list[Object]:
    found = [{"type": "InternalIP", "address": address} for address in config.addresses]
    return [*found, {"type": "Hostname", "address": config.node_name}]


def labels(config: NodeConfig) -> dict[str, str]:
    both = {"os": "linux", "arch": architecture()}
    standard = {f"kubernetes.io/{key}": value for key, value in both.items()}
    beta = {f"beta.{key}": value for key, value in standard.items()}
    return standard | beta | {"kubernetes.io/hostname": config.node_name} | config.labels


def image_list(images: "Sequence[Image]") -> list[Object]:
    """The largest first, as the scheduler's image locality wants them."""
    largest = sorted(images, key=lambda image: -image.size_bytes)[:MAX_IMAGES]
    return [{"names": [*image.digests, *image.tags][:MAX_IMAGE_NAMES], "sizeBytes": image.size_bytes} for image in largest]


def runtime_features(features: "Features | None") -> Object:
    """None: the runtime does not answer, so what was said before stays. Recursive read-only mounts are made by the agent itself."""
    if features is None:
        return {}
    handlers = [
        {"name": name, "features": {"recursiveReadOnlyMounts": True, "userNamespaces": can.user_namespaces}}
        for name, can in sorted(features.handlers.items())
    ]
    return {"runtimeHandlers": handlers, "features": {"supplementalGroupsPolicy": features.supplemental_groups_policy}}
