"""The node's part of a volume's growth: the driver is asked once the PersistentVolume is larger than its claim says that it has become.

Source: kubernetes pkg/volume/csi/expander.go, pkg/volume/util/operationexecutor/node_expander.go.
"""

import time
from typing import NamedTuple

import structlog

from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from pilothouse.engine.csi.driver import CsiFailure
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi import records, wanted
from pilothouse.engine.node.csi.drivers import EXPANDS, STAGES, Drivers
from pilothouse.engine.node.csi.failure import MountFailed
from pilothouse.engine.node.csi.secrets import secrets
from pilothouse.engine.node.csi.sources import CsiSources
from pilothouse.engine.node.csi.wanted import Wanted
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity
from pilothouse.model.volumes import capacity

log = structlog.get_logger("node.csi.growing")

PENDING, RESIZING, ERROR = "FileSystemResizePending", "Resizing", "NodeResizeError"
"""Conditions of a claim that are over once the node has done its part."""
INFEASIBLE = "NodeResizeInfeasible"
_INFEASIBLE = ("INVALID_ARGUMENT", "OUT_OF_RANGE", "NOT_FOUND")
"""After these the driver will not do it, however often it is asked."""
DONE, FAILED = "FileSystemResizeSuccessful", "VolumeResizeFailed"
"""Upstream's reasons of events."""


class Note(NamedTuple):
    """An event of the pod."""

    type: str
    reason: str
    message: str


def is_due(asked: Wanted) -> bool:
    """Whether the volume has grown, and its claim does not say so yet."""
    if asked.volume is None or asked.claim is None:
        return False
    shown = ((asked.claim.get("status") or {}).get("capacity") or {}).get("storage")
    return shown is not None and Quantity.of(shown).value < capacity(asked.volume).value


async def grow(config: NodeConfig, drivers: Drivers, sources: CsiSources, pod: Object, asked: Wanted) -> Note | None:
    """Of a volume that is published and due. None where the driver does nothing on the node. Raises MountFailed when it is not there."""
    driver, volume, claim = drivers.get(asked.driver), asked.volume, asked.claim
    assert volume is not None
    assert claim is not None
    if not driver.can(EXPANDS):
        return None
    place = records.published_at(config, meta.uid(pod), asked.name)
    staged = records.staged_at(config, asked.driver, asked.handle)
    wants = capacity(volume)
    try:
        request = csi.NodeExpandVolumeRequest(
            volume_id=asked.handle,
            volume_path=drivers.path_for(driver, place.target),
            staging_target_path=drivers.path_for(driver, staged.target) if driver.can(STAGES) else "",
            capacity_range=csi.CapacityRange(required_bytes=int(wants.value)),
            volume_capability=wanted.capability(asked, driver, wanted.delegated_group(pod, driver)),
            secrets=await secrets(sources, asked, pod, "nodeExpandSecretRef"),
        )
        await driver.driver.call(methods.NODE_EXPAND_VOLUME, request)
        await sources.patch_claim_status(claim, grown_status(claim, str(volume["spec"]["capacity"]["storage"])))
    except (CsiFailure, MountFailed, ApiError) as error:
        return await _failed(sources, asked, claim, error)
    return Note("Normal", DONE, f'MountVolume.NodeExpandVolume succeeded for volume "{asked.name}" {config.node_name}')


async def _failed(sources: CsiSources, asked: Wanted, claim: Object, error: CsiFailure | MountFailed | ApiError) -> Note:
    why = error.message if isinstance(error, ApiError) else str(error)
    note = Note("Warning", FAILED, f'NodeExpandVolume failed for volume "{asked.name}" : {why}')
    if isinstance(error, CsiFailure) and (patch := failed_status(claim, why, error.code, meta.rfc3339(time.time()))):
        try:
            await sources.patch_claim_status(claim, patch)
        except ApiError as unwritten:
            log.warning("growth that failed not shown", claim=meta.name(claim), why=unwritten.message)
    return note


def failed_status(claim: Object, why: str, code: str, now: str) -> Object:
    """A merge patch of the claim's status; empty when it says so already. now: in RFC 3339."""
    status = claim.get("status") or {}
    patch: Object = {}
    if (meta.condition(claim, ERROR) or {}).get("message") != why:
        condition = {"type": ERROR, "status": "True", "message": why}
        patch["conditions"] = meta.with_condition(status.get("conditions"), condition, now)
    pending = (status.get("allocatedResourceStatuses") or {}).get("storage")
    if code in _INFEASIBLE and pending not in (None, INFEASIBLE):
        patch["allocatedResourceStatuses"] = {"storage": INFEASIBLE}
    return patch


def grown_status(claim: Object, size: str) -> Object:
    """A merge patch of the claim's status: it is that large now, and waits for nothing any more."""
    status = claim.get("status") or {}
    conditions = [each for each in status.get("conditions") or () if each["type"] not in (PENDING, RESIZING, ERROR)]
    patch: Object = {"capacity": {"storage": size}, "conditions": conditions or None}
    if "storage" in (status.get("allocatedResourceStatuses") or {}):
        patch["allocatedResourceStatuses"] = {"storage": None}
    return patch
