"""What a driver says that it can do, by the names of the CSI specification."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from pilothouse.engine.csi.methods import CALL_S, A, Method, Q


class Driver(Protocol):
    """Whatever reaches a driver: its socket, or the node at which it is."""

    async def call(self, method: Method[Q, A], request: Q, timeout_s: float = CALL_S) -> A:
        """Raises CsiFailure."""
        ...


class Plugin(NamedTuple):
    """services: of PluginCapability.Service (CONTROLLER_SERVICE, ...); expansion: of PluginCapability.VolumeExpansion (ONLINE, OFFLINE)."""

    name: str
    version: str
    services: frozenset[str]
    expansion: frozenset[str]


async def plugin(driver: Driver, timeout_s: float = CALL_S) -> Plugin:
    """Raises CsiFailure, as the others here do."""
    info = await driver.call(methods.GET_PLUGIN_INFO, csi.GetPluginInfoRequest(), timeout_s)
    found = await driver.call(methods.GET_PLUGIN_CAPABILITIES, csi.GetPluginCapabilitiesRequest(), timeout_s)
    service, expansion = csi.PluginCapability.Service.Type, csi.PluginCapability.VolumeExpansion.Type
    return Plugin(
        info.name,
        info.vendor_version,
        _names(service, (each.service.type for each in found.capabilities if each.HasField("service"))),
        _names(expansion, (each.volume_expansion.type for each in found.capabilities if each.HasField("volume_expansion"))),
    )


async def controller(driver: Driver, timeout_s: float = CALL_S) -> frozenset[str]:
    """Names of ControllerServiceCapability.RPC: CREATE_DELETE_VOLUME, PUBLISH_UNPUBLISH_VOLUME, ..."""
    found = await driver.call(methods.CONTROLLER_GET_CAPABILITIES, csi.ControllerGetCapabilitiesRequest(), timeout_s)
    return _names(csi.ControllerServiceCapability.RPC.Type, (each.rpc.type for each in found.capabilities))


async def node(driver: Driver, timeout_s: float = CALL_S) -> frozenset[str]:
    """Names of NodeServiceCapability.RPC: STAGE_UNSTAGE_VOLUME, GET_VOLUME_STATS, ..."""
    found = await driver.call(methods.NODE_GET_CAPABILITIES, csi.NodeGetCapabilitiesRequest(), timeout_s)
    return _names(csi.NodeServiceCapability.RPC.Type, (each.rpc.type for each in found.capabilities))


def _names(kind: object, numbers: Iterable[int]) -> frozenset[str]:
    """Numbers that a later specification has given a meaning are left out."""
    known: dict[int, str] = {number: name for name, number in kind.items()}  # type: ignore[attr-defined]
    return frozenset(known[number] for number in numbers if number in known)
