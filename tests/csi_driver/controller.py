"""The controller's part: volumes are made, attached, grown, copied and removed. Every call may be repeated, as the specification asks."""

import hashlib
import time

from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import Int64Value

from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from tests.csi_driver.options import Options
from tests.csi_driver.serving import Handlers, Refused
from tests.csi_driver.store import Snapshot, Store, Volume

DEFAULT_BYTES = 1 << 30


class Controller:
    def __init__(self, options: Options, store: Store) -> None:
        self._options = options
        self._store = store

    def handlers(self) -> Handlers:
        return [
            (methods.CONTROLLER_GET_CAPABILITIES, self.capabilities),
            (methods.CREATE_VOLUME, self.create),
            (methods.DELETE_VOLUME, self.delete),
            (methods.CONTROLLER_PUBLISH_VOLUME, self.attach),
            (methods.CONTROLLER_UNPUBLISH_VOLUME, self.detach),
            (methods.VALIDATE_VOLUME_CAPABILITIES, self.validate),
            (methods.LIST_VOLUMES, self.list),
            (methods.GET_CAPACITY, self.capacity),
            (methods.CREATE_SNAPSHOT, self.snapshot),
            (methods.DELETE_SNAPSHOT, self.delete_snapshot),
            (methods.LIST_SNAPSHOTS, self.list_snapshots),
            (methods.CONTROLLER_EXPAND_VOLUME, self.expand),
            (methods.CONTROLLER_GET_VOLUME, self.get),
            (methods.CONTROLLER_MODIFY_VOLUME, self.modify),
        ]

    async def capabilities(self, request: csi.ControllerGetCapabilitiesRequest) -> csi.ControllerGetCapabilitiesResponse:
        rpc = csi.ControllerServiceCapability.RPC
        each = [csi.ControllerServiceCapability(rpc=rpc(type=rpc.Type.Value(name))) for name in self._options.controller]
        return csi.ControllerGetCapabilitiesResponse(capabilities=each)

    async def create(self, request: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        if not request.name or not request.volume_capabilities:
            raise Refused("INVALID_ARGUMENT", "name and volume_capabilities are required")
        if request.parameters.get("refuse"):
            raise Refused("INVALID_ARGUMENT", request.parameters["refuse"])
        id = "vol-" + _short(request.name)
        wanted = request.capacity_range.required_bytes or DEFAULT_BYTES
        source = request.volume_content_source
        made = next((each for each in self._store.volumes() if each.id == id), None)
        if made is None:
            self._check_room(wanted)
            made = Volume(id, request.name, wanted, block=any(each.HasField("block") for each in request.volume_capabilities))
            made.parameters = dict(request.parameters) | dict(request.mutable_parameters)
            if source.WhichOneof("type"):
                self._fill(made, source)
            self._store.write(made)
        elif made.bytes < wanted or 0 < request.capacity_range.limit_bytes < made.bytes:
            raise Refused("ALREADY_EXISTS", f"{request.name} is there with {made.bytes} bytes")
        answer = csi.Volume(volume_id=id, capacity_bytes=made.bytes, volume_context={"made-by": self._options.name})
        if source.WhichOneof("type"):
            answer.content_source.CopyFrom(source)
        if self._options.topology:
            answer.accessible_topology.add(segments=self._options.topology)
        return csi.CreateVolumeResponse(volume=answer)

    def _check_room(self, more: int) -> None:
        if sum(each.bytes for each in self._store.volumes()) + more > self._options.capacity_bytes:
            raise Refused("RESOURCE_EXHAUSTED", f"there is no room for {more} bytes")

    def _fill(self, volume: Volume, source: csi.VolumeContentSource) -> None:
        snapshot, other = source.snapshot.snapshot_id, source.volume.volume_id
        bytes = self._store.snapshot(snapshot).bytes if snapshot else self._store.volume(other).bytes
        if volume.bytes < bytes:
            raise Refused("OUT_OF_RANGE", f"the source has {bytes} bytes")
        volume.source = snapshot or other
        self._store.fill(volume.id, snapshot, other)

    async def delete(self, request: csi.DeleteVolumeRequest) -> csi.DeleteVolumeResponse:
        try:
            found = self._store.volume(request.volume_id)
        except Refused:
            return csi.DeleteVolumeResponse()
        if found.published or found.staged or found.attached:
            raise Refused("FAILED_PRECONDITION", f"volume {found.id} is in use")
        self._store.remove(found.id)
        return csi.DeleteVolumeResponse()

    async def attach(self, request: csi.ControllerPublishVolumeRequest) -> csi.ControllerPublishVolumeResponse:
        found = self._store.volume(request.volume_id)
        many = request.volume_capability.access_mode.mode in (
            csi.VolumeCapability.AccessMode.MULTI_NODE_MULTI_WRITER,
            csi.VolumeCapability.AccessMode.MULTI_NODE_READER_ONLY,
        )
        if not many and (others := [each for each in found.attached if each != request.node_id]):
            raise Refused("FAILED_PRECONDITION", f"volume {found.id} is attached to {others[0]}")
        if request.node_id not in found.attached:
            found.attached.append(request.node_id)
            self._store.write(found)
        return csi.ControllerPublishVolumeResponse(publish_context={"attached": request.node_id})

    async def detach(self, request: csi.ControllerUnpublishVolumeRequest) -> csi.ControllerUnpublishVolumeResponse:
        try:
            found = self._store.volume(request.volume_id)
        except Refused:
            return csi.ControllerUnpublishVolumeResponse()
        found.attached = [each for each in found.attached if request.node_id and each != request.node_id]
        self._store.write(found)
        return csi.ControllerUnpublishVolumeResponse()

    async def validate(self, request: csi.ValidateVolumeCapabilitiesRequest) -> csi.ValidateVolumeCapabilitiesResponse:
        self._store.volume(request.volume_id)
        confirmed = csi.ValidateVolumeCapabilitiesResponse.Confirmed(volume_capabilities=request.volume_capabilities)
        return csi.ValidateVolumeCapabilitiesResponse(confirmed=confirmed)

    async def list(self, request: csi.ListVolumesRequest) -> csi.ListVolumesResponse:
        every = list(self._store.volumes())
        first = int(request.starting_token or "0")
        shown = every[first : first + request.max_entries] if request.max_entries else every[first:]
        answer = csi.ListVolumesResponse(next_token=str(first + len(shown)) if first + len(shown) < len(every) else "")
        for each in shown:
            status = csi.ListVolumesResponse.VolumeStatus(published_node_ids=each.attached, volume_condition=_condition(each))
            answer.entries.add(volume=csi.Volume(volume_id=each.id, capacity_bytes=each.bytes), status=status)
        return answer

    async def capacity(self, request: csi.GetCapacityRequest) -> csi.GetCapacityResponse:
        elsewhere = any(self._options.topology.get(key) != value for key, value in request.accessible_topology.segments.items())
        free = 0 if elsewhere else self._options.capacity_bytes - sum(each.bytes for each in self._store.volumes())
        return csi.GetCapacityResponse(available_capacity=free, maximum_volume_size=Int64Value(value=free))

    async def snapshot(self, request: csi.CreateSnapshotRequest) -> csi.CreateSnapshotResponse:
        id = "snap-" + _short(request.name)
        known = next((each for each in self._store.snapshots() if each.id == id), None)
        if known is not None and known.volume != request.source_volume_id:
            raise Refused("ALREADY_EXISTS", f"snapshot {request.name} is of volume {known.volume}")
        if known is None:
            source = self._store.volume(request.source_volume_id)
            known = Snapshot(id, request.name, source.id, source.bytes, int(time.time()))
            self._store.take_snapshot(known)
        return csi.CreateSnapshotResponse(snapshot=_snapshot(known))

    async def delete_snapshot(self, request: csi.DeleteSnapshotRequest) -> csi.DeleteSnapshotResponse:
        self._store.remove_snapshot(request.snapshot_id)
        return csi.DeleteSnapshotResponse()

    async def list_snapshots(self, request: csi.ListSnapshotsRequest) -> csi.ListSnapshotsResponse:
        answer = csi.ListSnapshotsResponse()
        for each in self._store.snapshots():
            if request.snapshot_id in ("", each.id) and request.source_volume_id in ("", each.volume):
                answer.entries.add(snapshot=_snapshot(each))
        return answer

    async def expand(self, request: csi.ControllerExpandVolumeRequest) -> csi.ControllerExpandVolumeResponse:
        found = self._store.volume(request.volume_id)
        wanted = request.capacity_range.required_bytes
        if wanted > found.bytes:
            self._check_room(wanted - found.bytes)
            found.bytes = wanted
            self._store.write(found)
        return csi.ControllerExpandVolumeResponse(capacity_bytes=found.bytes, node_expansion_required="EXPAND_VOLUME" in self._options.node)

    async def get(self, request: csi.ControllerGetVolumeRequest) -> csi.ControllerGetVolumeResponse:
        found = self._store.volume(request.volume_id)
        status = csi.ControllerGetVolumeResponse.VolumeStatus(published_node_ids=found.attached, volume_condition=_condition(found))
        return csi.ControllerGetVolumeResponse(volume=csi.Volume(volume_id=found.id, capacity_bytes=found.bytes), status=status)

    async def modify(self, request: csi.ControllerModifyVolumeRequest) -> csi.ControllerModifyVolumeResponse:
        found = self._store.volume(request.volume_id)
        if request.mutable_parameters.get("refuse"):
            raise Refused("INVALID_ARGUMENT", request.mutable_parameters["refuse"])
        found.parameters |= dict(request.mutable_parameters)
        self._store.write(found)
        return csi.ControllerModifyVolumeResponse()


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _condition(volume: Volume) -> csi.VolumeCondition:
    return csi.VolumeCondition(abnormal=bool(volume.abnormal), message=volume.abnormal or "all is well")


def _snapshot(found: Snapshot) -> csi.Snapshot:
    return csi.Snapshot(
        size_bytes=found.bytes,
        snapshot_id=found.id,
        source_volume_id=found.volume,
        creation_time=Timestamp(seconds=found.created_at),
        ready_to_use=True,
    )
