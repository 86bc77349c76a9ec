"""What a storage driver and a registrar can be asked, each question with the types of its request and its answer.

Client and server (the tests' driver) read the same list, so that neither can know a question which the other does not.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import registration_pb2 as registration

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)

IDENTITY, CONTROLLER, NODE = "csi.v1.Identity", "csi.v1.Controller", "csi.v1.Node"
REGISTRATION = "pluginregistration.Registration"
CALL_S = 120.0
"""How long the kubelet gives a driver for one call."""


@dataclass(frozen=True, slots=True)
class Method(Generic[Q, A]):
    """service: the full name of the gRPC service, name: that of the call in it."""

    service: str
    name: str
    request: type[Q]
    answer: type[A]

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.name}"


GET_PLUGIN_INFO = Method(IDENTITY, "GetPluginInfo", csi.GetPluginInfoRequest, csi.GetPluginInfoResponse)
GET_PLUGIN_CAPABILITIES = Method(IDENTITY, "GetPluginCapabilities", csi.GetPluginCapabilitiesRequest, csi.GetPluginCapabilitiesResponse)
PROBE = Method(IDENTITY, "Probe", csi.ProbeRequest, csi.ProbeResponse)

CREATE_VOLUME = Method(CONTROLLER, "CreateVolume", csi.CreateVolumeRequest, csi.CreateVolumeResponse)
DELETE_VOLUME = Method(CONTROLLER, "DeleteVolume", csi.DeleteVolumeRequest, csi.DeleteVolumeResponse)
CONTROLLER_PUBLISH_VOLUME = Method(
    CONTROLLER, "ControllerPublishVolume", csi.ControllerPublishVolumeRequest, csi.ControllerPublishVolumeResponse
)
CONTROLLER_UNPUBLISH_VOLUME = Method(
    CONTROLLER, "ControllerUnpublishVolume", csi.ControllerUnpublishVolumeRequest, csi.ControllerUnpublishVolumeResponse
)
VALIDATE_VOLUME_CAPABILITIES = Method(
    CONTROLLER, "ValidateVolumeCapabilities", csi.ValidateVolumeCapabilitiesRequest, csi.ValidateVolumeCapabilitiesResponse
)
LIST_VOLUMES = Method(CONTROLLER, "ListVolumes", csi.ListVolumesRequest, csi.ListVolumesResponse)
GET_CAPACITY = Method(CONTROLLER, "GetCapacity", csi.GetCapacityRequest, csi.GetCapacityResponse)
CONTROLLER_GET_CAPABILITIES = Method(
    CONTROLLER, "ControllerGetCapabilities", csi.ControllerGetCapabilitiesRequest, csi.ControllerGetCapabilitiesResponse
)
CREATE_SNAPSHOT = Method(CONTROLLER, "CreateSnapshot", csi.CreateSnapshotRequest, csi.CreateSnapshotResponse)
DELETE_SNAPSHOT = Method(CONTROLLER, "DeleteSnapshot", csi.DeleteSnapshotRequest, csi.DeleteSnapshotResponse)
LIST_SNAPSHOTS = Method(CONTROLLER, "ListSnapshots", csi.ListSnapshotsRequest, csi.ListSnapshotsResponse)
CONTROLLER_EXPAND_VOLUME = Method(
    CONTROLLER, "ControllerExpandVolume", csi.ControllerExpandVolumeRequest, csi.ControllerExpandVolumeResponse
)
CONTROLLER_GET_VOLUME = Method(CONTROLLER, "ControllerGetVolume", csi.ControllerGetVolumeRequest, csi.ControllerGetVolumeResponse)
CONTROLLER_MODIFY_VOLUME = Method(
    CONTROLLER, "ControllerModifyVolume", csi.ControllerModifyVolumeRequest, csi.ControllerModifyVolumeResponse
)

NODE_STAGE_VOLUME = Method(NODE, "NodeStageVolume", csi.NodeStageVolumeRequest, csi.NodeStageVolumeResponse)
NODE_UNSTAGE_VOLUME = Method(NODE, "NodeUnstageVolume", csi.NodeUnstageVolumeRequest, csi.NodeUnstageVolumeResponse)
NODE_PUBLISH_VOLUME = Method(NODE, "NodePublishVolume", csi.NodePublishVolumeRequest, csi.NodePublishVolumeResponse)
NODE_UNPUBLISH_VOLUME = Method(NODE, "NodeUnpublishVolume", csi.NodeUnpublishVolumeRequest, csi.NodeUnpublishVolumeResponse)
NODE_GET_VOLUME_STATS = Method(NODE, "NodeGetVolumeStats", csi.NodeGetVolumeStatsRequest, csi.NodeGetVolumeStatsResponse)
NODE_EXPAND_VOLUME = Method(NODE, "NodeExpandVolume", csi.NodeExpandVolumeRequest, csi.NodeExpandVolumeResponse)
NODE_GET_CAPABILITIES = Method(NODE, "NodeGetCapabilities", csi.NodeGetCapabilitiesRequest, csi.NodeGetCapabilitiesResponse)
NODE_GET_INFO = Method(NODE, "NodeGetInfo", csi.NodeGetInfoRequest, csi.NodeGetInfoResponse)

GET_INFO = Method(REGISTRATION, "GetInfo", registration.InfoRequest, registration.PluginInfo)
NOTIFY_REGISTRATION_STATUS = Method(
    REGISTRATION, "NotifyRegistrationStatus", registration.RegistrationStatus, registration.RegistrationStatusResponse
)
