"""What drivers say of the room in their volumes, and of their health. Source: kubernetes pkg/volume/csi/csi_metrics.go."""

from dataclasses import dataclass

from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from pilothouse.engine.node.csi.drivers import CONDITION, STAGES, Drivers, Registered
from pilothouse.engine.node.csi.records import Place, Record

STATS_S = 2.0
"""Whoever reads figures waits as long for a driver that is slow, once a minute."""


@dataclass(frozen=True, slots=True)
class VolumeRoom:
    """Sizes in bytes; inodes: 0 where nobody counts them. abnormal: what is wrong with it, "" for nothing, None where unknown."""

    capacity_bytes: int
    available_bytes: int
    used_bytes: int
    inodes: int = 0
    inodes_free: int = 0
    inodes_used: int = 0
    abnormal: str | None = None


async def room(drivers: Drivers, driver: Registered, place: Place, record: Record, staged: Place) -> VolumeRoom | None:
    """Of a volume that is published; None where the driver says nothing of bytes. Raises CsiFailure."""
    request = csi.NodeGetVolumeStatsRequest(
        volume_id=record.handle,
        volume_path=drivers.path_for(driver, place.target),
        staging_target_path=drivers.path_for(driver, staged.target) if driver.can(STAGES) and not record.ephemeral else "",
    )
    answer = await driver.driver.call(methods.NODE_GET_VOLUME_STATS, request, STATS_S)
    usage = {each.unit: each for each in answer.usage}
    space, inodes = usage.get(csi.VolumeUsage.BYTES), usage.get(csi.VolumeUsage.INODES)
    if space is None:
        return None
    condition = answer.volume_condition
    abnormal = (condition.message if condition.abnormal else "") if driver.can(CONDITION) and answer.HasField("volume_condition") else None
    counted = (inodes.total, inodes.available, inodes.used) if inodes is not None else (0, 0, 0)
    return VolumeRoom(space.total, space.available, space.used, *counted, abnormal=abnormal)
