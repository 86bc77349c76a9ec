"""How a volume is to be used, as a driver is told: from access modes to the specification's. Pure.

Source: kubernetes-csi csi-lib-utils/accessmodes, external-provisioner (getVolumeCapability).
"""

from collections.abc import Iterable, Sequence

from pilothouse.engine.csi import csi_pb2 as csi

_Mode = csi.VolumeCapability.AccessMode
_MANY_WRITERS, _ONE_WRITER = "ReadWriteMany", "ReadWriteOnce"
_READERS, _ONE_POD = "ReadOnlyMany", "ReadWriteOncePod"
FINE = "SINGLE_NODE_MULTI_WRITER"
"""Of drivers that tell one pod on a node from several."""


def mode_for(access_mode: str, can: Iterable[str]) -> int:
    """can: of the driver's controller."""
    is_fine = FINE in can
    if access_mode == _MANY_WRITERS:
        return _Mode.MULTI_NODE_MULTI_WRITER
    if access_mode == _READERS:
        return _Mode.MULTI_NODE_READER_ONLY
    if access_mode == _ONE_POD and is_fine:
        return _Mode.SINGLE_NODE_SINGLE_WRITER
    return _Mode.SINGLE_NODE_MULTI_WRITER if is_fine else _Mode.SINGLE_NODE_WRITER


def one_mode(access_modes: Sequence[str]) -> str:
    """The mode by which a volume with several is attached: the one that allows most. Raises ValueError for a pair that has none."""
    modes = set(access_modes)
    if _MANY_WRITERS in modes:
        return _MANY_WRITERS
    if _READERS in modes and _ONE_WRITER in modes:
        raise ValueError("CSI does not support ReadOnlyMany and ReadWriteOnce on the same PersistentVolume")
    return next((mode for mode in (_READERS, _ONE_POD, _ONE_WRITER) if mode in modes), _ONE_WRITER)


def capability(mode: int, *, is_block: bool, fs_type: str = "", mount_flags: Sequence[str] = ()) -> csi.VolumeCapability:
    """mode: of the specification, as from `mode_for`."""
    found = csi.VolumeCapability()
    found.access_mode.mode = mode  # type: ignore[assignment]
    if is_block:
        found.block.SetInParent()
    else:
        found.mount.fs_type = fs_type
        found.mount.mount_flags.extend(mount_flags)
        found.mount.SetInParent()
    return found
