"""Limits of local storage, which the node keeps by evicting who exceeds them: emptyDir sizeLimit, ephemeral-storage. Pure.

Source: kubernetes pkg/kubelet/eviction/eviction_manager.go (localStorageEviction).
"""

from pilothouse.engine.node.eviction.thresholds import EPHEMERAL
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.stats.figures import ContainerFigures, PodFigures
from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity, whole


def has_any(pod: Object) -> bool:
    """Whether the pod (an object) has a limit of local storage that a look at its figures could find exceeded."""
    volumes = podspec.spec(pod).get("volumes") or ()
    return any((volume.get("emptyDir") or {}).get("sizeLimit") for volume in volumes) or podspec.limit(pod, EPHEMERAL) is not None


def exceeded(pod: PodFigures, *, has_image_fs: bool) -> tuple[str, str] | None:
    """The signal and the message of the first limit that the pod exceeds."""
    return _empty_dirs(pod) or _whole_pod(pod) or _containers(pod, has_image_fs=has_image_fs)


def _empty_dirs(pod: PodFigures) -> tuple[str, str] | None:
    for volume in podspec.spec(pod.pod).get("volumes") or ():
        limit = Quantity.of((volume.get("emptyDir") or {}).get("sizeLimit"))
        used = pod.volumes.get(volume["name"])
        if used is not None and limit.amount > 0 and used.used_bytes > limit.amount:
            return "emptydirfs.limit", f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{limit}". '
    return None


def _whole_pod(pod: PodFigures) -> tuple[str, str] | None:
    """Against the sum of the containers' limits, where a container has one."""
    limit = podspec.limit(pod.pod, EPHEMERAL)
    if limit is None or pod.disk.used_bytes <= limit.amount:
        return None
    return "ephemeralpodfs.limit", f"Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "


def _containers(pod: PodFigures, *, has_image_fs: bool) -> tuple[str, str] | None:
    for container in pod.containers:
        spec = podspec.container_named(pod.pod, container.name)
        limit = _limit(spec)
        if limit and _used(container, has_image_fs=has_image_fs) > limit.amount:
            return "ephemeralcontainerfs.limit", f'Container {container.name} exceeded its local ephemeral storage limit "{limit}". '
    return None


def _limit(container: Object | None) -> Quantity:
    found = None if container is None else podspec.amount(container, "limits", EPHEMERAL)
    return whole(0) if found is None else found


def _used(container: ContainerFigures, *, has_image_fs: bool) -> int:
    logs = 0 if container.logs is None else container.logs.used_bytes
    return logs + (0 if has_image_fs or container.rootfs is None else container.rootfs.used_bytes)
