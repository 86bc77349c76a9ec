"""A whole driver: in the test's own process, or in one of its own (`python -m tests.csi_driver`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue

from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from tests.csi_driver.controller import Controller
from tests.csi_driver.faults import Faults
from tests.csi_driver.node import Node
from tests.csi_driver.options import Options
from tests.csi_driver.serving import Handler, Handlers, serving
from tests.csi_driver.store import Store


class FolderDriver:
    """root: where its volumes, snapshots and faults lie. calls: (name of the method, request), of this process."""

    def __init__(self, root: Path, options: Options | None = None) -> None:
        self.options = Options() if options is None else options
        self.store = Store(root)
        self.faults = Faults(root / "faults")
        self.calls: list[tuple[str, Any]] = []

    def handlers(self) -> Handlers:
        node, controller = Node(self.options, self.store), Controller(self.options, self.store)
        identity: Handlers = [
            (methods.GET_PLUGIN_INFO, self._info),
            (methods.GET_PLUGIN_CAPABILITIES, self._capabilities),
            (methods.PROBE, self._probe),
        ]
        return [(method, self._watched(method.name, handler)) for method, handler in [*identity, *node.handlers(), *controller.handlers()]]

    def asked(self, *names: str) -> list[str]:
        """The names of the methods that were called, in their order; of those alone, where some are named."""
        return [name for name, _ in self.calls if not names or name in names]

    def request(self, name: str) -> Any:
        """Of the last call of that name."""
        return [request for called, request in self.calls if called == name][-1]

    @asynccontextmanager
    async def at(self, socket: Path) -> AsyncIterator["FolderDriver"]:
        socket.parent.mkdir(parents=True, exist_ok=True)
        async with serving(socket, self.handlers()):
            yield self

    def _watched(self, name: str, handler: Handler) -> Handler:
        async def handle(request: Message) -> Message:
            self.calls.append((name, request))
            return await self.faults.around(name, handler(request))

        return handle

    async def _info(self, request: csi.GetPluginInfoRequest) -> csi.GetPluginInfoResponse:
        return csi.GetPluginInfoResponse(name=self.options.name, vendor_version="1.0")

    async def _probe(self, request: csi.ProbeRequest) -> csi.ProbeResponse:
        return csi.ProbeResponse(ready=BoolValue(value=True))

    async def _capabilities(self, request: csi.GetPluginCapabilitiesRequest) -> csi.GetPluginCapabilitiesResponse:
        service, expansion = csi.PluginCapability.Service, csi.PluginCapability.VolumeExpansion
        kinds = [service.CONTROLLER_SERVICE, *([service.VOLUME_ACCESSIBILITY_CONSTRAINTS] if self.options.topology else [])]
        answer = csi.GetPluginCapabilitiesResponse()
        for kind in kinds:
            answer.capabilities.add(service=service(type=kind))
        answer.capabilities.add(volume_expansion=expansion(type=expansion.ONLINE))
        return answer
