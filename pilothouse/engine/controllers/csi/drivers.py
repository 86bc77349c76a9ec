"""Which drivers are served here, and at which node each is asked.

A driver is asked where it is registered: for a volume at a node from which the volume is reached, since a driver may keep what it makes on
its own node. What a driver can do is asked once and kept for KNOWN_S. Of one driver at most MOST_CALLS calls are under way, so that one
that hangs hurts itself alone.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from pilothouse.client.informers import Informers
from pilothouse.client.outcome import Retry
from pilothouse.engine.controllers.csi.topology import Segments, segments_of
from pilothouse.engine.csi import capabilities
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.engine.csi.methods import Method
from pilothouse.model import csi as names
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSIDRIVERS, CSINODES, NODES
from pilothouse.model.volumes import fits_node

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)

CALL_S = 60.0
KNOWN_S = 60.0
MOST_CALLS = 4
BUSY_S = 2.0
_NOWHERE = "it is registered on no node; look whether its pods run"
_NOWHERE_NEAR = "it is registered on no node that reaches the volume; look whether those nodes are there and its pods run on them"
_NO_CONTROLLER = (
    "its socket on the nodes does not answer for its controller; run the sidecars that belong to the driver, and take the annotation "
    f"{names.SIDECARS} from its CSIDriver"
)
CONTROLLER, TOPOLOGY = "CONTROLLER_SERVICE", "VOLUME_ACCESSIBILITY_CONSTRAINTS"


class DriverCalls(Protocol):
    """Reaches the socket of a driver at a node."""

    async def call(self, node: str, driver: str, method: Method[Q, A], request: Q, timeout_s: float) -> A:
        """Raises CsiFailure: UNAVAILABLE also where the node cannot be asked, or has no such driver."""
        ...


@dataclass(frozen=True, slots=True)
class Instance:
    """A driver at one node. services: of PluginCapability.Service; can: of ControllerServiceCapability.RPC; grows: of VolumeExpansion."""

    driver: str
    node: str
    services: frozenset[str]
    can: frozenset[str]
    grows: frozenset[str]


class Drivers:
    """calls: None where nobody reaches nodes. clock: monotonic seconds."""

    def __init__(self, informers: Informers, calls: DriverCalls | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.objects = informers.of(CSIDRIVERS)
        self.csi_nodes = informers.of(CSINODES)
        self.nodes = informers.of(NODES)
        self._calls = calls
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, Instance]] = {}
        self._under_way: Counter[str] = Counter()

    def does(self, driver: str, part: str) -> bool:
        """Whether that sidecar's work is done here for the driver."""
        found = self.objects.get(driver)
        return self._calls is not None and found is not None and part in names.parts_of(found)

    def served(self, part: str) -> list[str]:
        return [meta.name(each) for each in self.objects.items() if self.does(meta.name(each), part)]

    def hosts(self, driver: str) -> list[Object]:
        """The Nodes where the driver is registered, those that are ready first."""
        registered = (meta.name(each) for each in self.csi_nodes.items() if names.driver_on(each, driver) is not None)
        found = [node for name in registered if (node := self.nodes.get(name)) is not None]
        return sorted(found, key=lambda node: (not meta.is_true(node, "Ready"), meta.name(node)))

    async def near(self, driver: str, *, volume: Object | None = None, node: str = "", beside: str = "") -> Instance:
        """An instance that answers for the controller's part.

        volume: only where it is reached, as elsewhere a driver may say that there is no such volume. node: there if it can, else as near
        to the volume as can be. beside: at that node, or at another one of the same topology. Raises CsiFailure where there is none.
        """
        hosts = self._hosts_near(driver, volume, node, beside)
        why = _NOWHERE if not self.hosts(driver) else _NOWHERE_NEAR
        failure = CsiFailure(driver, "", why, "UNAVAILABLE")
        for host in hosts:
            try:
                found = await self.instance(driver, meta.name(host))
            except CsiFailure as error:
                failure = error
                continue
            if CONTROLLER in found.services:
                return found
            failure = CsiFailure(driver, "", _NO_CONTROLLER, "UNIMPLEMENTED")
        raise failure

    def _hosts_near(self, driver: str, volume: Object | None, node: str, beside: str) -> list[Object]:
        hosts = self.hosts(driver)
        if volume is not None:
            hosts.sort(key=lambda each: not fits_node(volume, each))
            if not node:
                hosts = [each for each in hosts if fits_node(volume, each)]
        place = self._segments(driver, beside)
        if place is not None:
            hosts = [each for each in hosts if self._segments(driver, meta.name(each)) == place]
        return sorted(hosts, key=lambda each: meta.name(each) != (node or beside))

    def _segments(self, driver: str, node: str) -> Segments | None:
        found = self.nodes.get(node)
        return None if found is None else segments_of(driver, found, self.csi_nodes.get(node))

    async def instance(self, driver: str, node: str) -> Instance:
        """Raises CsiFailure."""
        key, now = (driver, node), self._clock()
        known = self._known.get(key)
        if known is not None and now - known[0] < KNOWN_S:
            return known[1]
        found = await self._ask(driver, node)
        self._known = {each: value for each, value in self._known.items() if now - value[0] < KNOWN_S}
        self._known[key] = (now, found)
        return found

    async def _ask(self, driver: str, node: str) -> Instance:
        there = _There(self, driver, node)
        plugin = await capabilities.plugin(there, CALL_S)
        can = await capabilities.controller(there, CALL_S) if CONTROLLER in plugin.services else frozenset[str]()
        return Instance(driver, node, plugin.services, can, plugin.expansion)

    async def call(self, instance: Instance, method: Method[Q, A], request: Q) -> A:
        """Raises CsiFailure; Retry when the driver has enough to do already."""
        return await self.ask(instance.driver, instance.node, method, request)

    async def ask(self, driver: str, node: str, method: Method[Q, A], request: Q) -> A:
        if self._calls is None:
            raise CsiFailure(driver, method.name, "nobody reaches the nodes", "UNAVAILABLE")
        if self._under_way[driver] >= MOST_CALLS:
            raise Retry(BUSY_S, f"driver {driver} has {MOST_CALLS} calls to answer already")
        self._under_way[driver] += 1
        try:
            async with asyncio.timeout(CALL_S + 10):
                return await self._calls.call(node, driver, method, request, CALL_S)
        except TimeoutError as error:
            raise CsiFailure(driver, method.name, f"node {node} does not answer", "DEADLINE_EXCEEDED") from error
        finally:
            self._under_way[driver] -= 1
            if not self._under_way[driver]:
                del self._under_way[driver]


class _There:
    """One driver at one node."""

    def __init__(self, drivers: Drivers, driver: str, node: str) -> None:
        self._drivers = drivers
        self._place = driver, node

    async def call(self, method: Method[Q, A], request: Q, timeout_s: float = CALL_S) -> A:
        return await self._drivers.ask(*self._place, method, request)
