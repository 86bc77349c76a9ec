"""What the stock node-driver-registrar does: it makes a driver known to the node through a socket in the folder of registrations."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.engine.csi import methods
from pilothouse.engine.csi import registration_pb2 as registration
from tests.csi_driver.serving import serving


@dataclass
class Registrar:
    """endpoint: the driver's socket, as the node is to find it. told: the node's verdicts, "" for yes."""

    name: str
    endpoint: str
    type: str = "CSIPlugin"
    versions: tuple[str, ...] = ("1.0.0",)
    told: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def at(self, socket: Path) -> AsyncIterator["Registrar"]:
        async with serving(socket, [(methods.GET_INFO, self._info), (methods.NOTIFY_REGISTRATION_STATUS, self._verdict)]):
            yield self

    async def _info(self, request: registration.InfoRequest) -> registration.PluginInfo:
        return registration.PluginInfo(type=self.type, name=self.name, endpoint=self.endpoint, supported_versions=self.versions)

    async def _verdict(self, request: registration.RegistrationStatus) -> registration.RegistrationStatusResponse:
        self.told.append("" if request.plugin_registered else request.error or "no")
        return registration.RegistrationStatusResponse()
