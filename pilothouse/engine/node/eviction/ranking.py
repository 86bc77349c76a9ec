"""In which order pods go when something is short: who uses more than it has asked for, then who matters less, then who uses most. Pure.

Source: kubernetes pkg/kubelet/eviction/helpers.go (rankMemoryPressure, rankPIDPressure, rankDiskPressureFunc).
"""

from collections.abc import Iterable

from pilothouse.engine.node.eviction.thresholds import EPHEMERAL, IMAGE_FS, IMAGE_INODES, INODES, MEMORY, PIDS, Threshold
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.stats.figures import Disk, PodFigures


def ranked(threshold: Threshold, pods: Iterable[PodFigures], *, has_image_fs: bool) -> list[PodFigures]:
    """The first to go first. Pods of which no figures are known go before others."""
    if threshold.signal == PIDS:
        return sorted(pods, key=lambda pod: (podspec.priority(pod.pod), pod.processes is not None, -(pod.processes or 0)))
    if threshold.signal == MEMORY:
        return sorted(pods, key=_by_memory)
    return sorted(pods, key=lambda pod: _by_disk(pod, threshold, has_image_fs=has_image_fs))


Key = tuple[bool, bool, int, int]


def _by_memory(pod: PodFigures) -> Key:
    if pod.memory is None:
        return (False, False, podspec.priority(pod.pod), 0)
    above = pod.memory.working_set_bytes - podspec.request(pod.pod, "memory")
    return (True, above <= 0, podspec.priority(pod.pod), -above)


def _by_disk(pod: PodFigures, threshold: Threshold, *, has_image_fs: bool) -> Key:
    used = _disk(pod, threshold, has_image_fs=has_image_fs)
    amount = used.inodes if threshold.resource == INODES else used.used_bytes
    above = amount - (0 if threshold.resource == INODES else podspec.request(pod.pod, EPHEMERAL))
    return (True, above <= 0, podspec.priority(pod.pod), -above)


def _disk(pod: PodFigures, threshold: Threshold, *, has_image_fs: bool) -> Disk:
    """What of the pod lies on the file system that is short."""
    if not has_image_fs:
        return pod.disk
    return pod.layers if threshold.signal in (IMAGE_FS, IMAGE_INODES) else pod.local
