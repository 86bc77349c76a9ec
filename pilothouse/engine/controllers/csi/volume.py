"""What a driver is told about a PersistentVolume that it has. Pure."""

from collections.abc import Iterable

from pilothouse.engine.controllers.csi.capabilities import capability, mode_for, one_mode
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.model.json import Object
from pilothouse.model.volumes import mode


def capability_of(spec: Object, can: Iterable[str]) -> csi.VolumeCapability:
    """spec: of the volume. can: of the driver's controller. Raises ValueError for access modes that exclude each other."""
    wanted = mode_for(one_mode(spec.get("accessModes") or ()), can)
    source = spec.get("csi") or {}
    flags = spec.get("mountOptions") or ()
    return capability(wanted, is_block=mode({"spec": spec}) == "Block", fs_type=source.get("fsType") or "", mount_flags=flags)
