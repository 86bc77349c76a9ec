"""The room in volumes of claims, as /metrics shows it. Pure. Source: kubernetes pkg/kubelet/metrics/collectors/volume_stats.go."""

from collections.abc import Iterable

from pilothouse.engine.node.stats.exposition.text import Family
from pilothouse.engine.node.stats.rooms import PodRoom, key_of
from pilothouse.model.json import Object

NAMES = {
    "kubelet_volume_stats_capacity_bytes": "Capacity in bytes of the volume",
    "kubelet_volume_stats_available_bytes": "Number of available bytes in the volume",
    "kubelet_volume_stats_used_bytes": "Number of used bytes in the volume",
    "kubelet_volume_stats_inodes": "Maximum number of inodes in the volume",
    "kubelet_volume_stats_inodes_free": "Number of free inodes in the volume",
    "kubelet_volume_stats_inodes_used": "Number of used inodes in the volume",
    "kubelet_volume_stats_health_status_abnormal": "1 if the volume is unhealthy, 0 otherwise, where its driver says",
}


def lines(rooms: Iterable[tuple[Object, PodRoom]]) -> list[str]:
    """Each claim once, however many pods have it."""
    claims = {tuple(key_of(pod, each).items()): each.room for pod, each in rooms if each.claim}
    families = [Family(name, "gauge", help) for name, help in NAMES.items()]
    for labels, room in sorted(claims.items()):
        values = [room.capacity_bytes, room.available_bytes, room.used_bytes]
        values += [room.inodes, room.inodes_free, room.inodes_used] if room.inodes else []
        for family, value in zip(families, values, strict=False):
            family.add(dict(labels), value)
        if room.abnormal is not None:
            families[-1].add(dict(labels), int(bool(room.abnormal)))
    return [line for family in families for line in family.lines()]
