"""Reports how much room drivers have: what external-provisioner publishes as CSIStorageCapacity, for drivers that leave it to the platform.

    CSIDriver that has its storage reported    -> one object for each class that waits for pods and each place where the driver runs

The driver is asked every LOOK_S, and after its volumes have changed. What is reported for a class or a place that is there no more is
removed. Source: kubernetes-csi external-provisioner (pkg/capacity), KEP-1472.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.csi import creation, topology
from pilothouse.engine.controllers.csi.drivers import Drivers
from pilothouse.engine.controllers.csi.secrets import SecretTrouble
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.model import csi as names
from pilothouse.model import meta
from pilothouse.model.errors import NotFound, Unavailable
from pilothouse.model.json import Object, dumps
from pilothouse.model.kinds import CSISTORAGECAPACITIES, PERSISTENTVOLUMES, STORAGECLASSES
from pilothouse.model.volumes import shown_bytes, waits_for_consumer

PART = "capacity"
NAMESPACE = "kube-system"
LOOK_S = 60.0
SOON_S = 2.0
"""How often a driver is asked at most, however often its volumes change."""
OF_DRIVER, MANAGED_BY, US = "csi.storage.k8s.io/drivername", "csi.storage.k8s.io/managed-by", "pilothouse"
_CAN = "GET_CAPACITY"


@dataclass(frozen=True, slots=True)
class Place:
    """A class, and where in the driver's eyes; host: a node there. segments: none for a driver that is the same everywhere."""

    storage_class: Object
    segments: topology.Segments
    host: str

    def name(self, driver: str) -> str:
        """Of the object that reports it; the same place always has the same."""
        known = dumps([driver, meta.name(self.storage_class), sorted(self.segments.items())])
        return f"csisc-{sha256(known).hexdigest()[:20]}"


class CapacityReporter:
    """clock: monotonic seconds."""

    def __init__(
        self, client: Client, informers: Informers, recorder: Recorder, drivers: Drivers, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._asked: dict[str, float] = {}
        self._client = client
        self._recorder = recorder
        self._drivers = drivers
        self._classes = informers.of(STORAGECLASSES)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._reported = informers.of(CSISTORAGECAPACITIES, indexes={"driver": _driver_of})
        self._controller = Controller("csi capacity", self.reconcile, workers=4)
        self._controller.watches(drivers.objects, meta.name)
        self._controller.watches(drivers.csi_nodes, lambda node: self._on(node))
        self._controller.watches(self._classes, lambda found: found.get("provisioner"))
        self._controller.watches(self._volumes, lambda volume: (names.source_of(volume) or {}).get("driver"))
        self._controller.watches(self._reported, lambda found: None)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    def _on(self, csi_node: Object) -> list[str]:
        return [each.get("name") or "" for each in (csi_node.get("spec") or {}).get("drivers") or ()]

    async def reconcile(self, driver: str) -> float | None:
        found = self._drivers.objects.get(driver)
        wait_s = self._asked.get(driver, -SOON_S) + SOON_S - self._clock()
        if wait_s > 0:
            return wait_s
        self._asked = {name: at for name, at in self._asked.items() if self._drivers.objects.get(name) is not None}
        self._asked[driver] = self._clock()
        is_reported = found is not None and self._drivers.does(driver, PART) and bool((found.get("spec") or {}).get("storageCapacity"))
        places = {place.name(driver): place for place in self._places(driver)} if is_reported else {}
        known = {meta.name(each): each for each in self._reported.by_index("driver", driver)}
        for name in known.keys() - places.keys():
            await self._remove(name)
        if found is None or not is_reported:
            return None
        try:
            for name, place in places.items():
                await self._report(driver, name, place, known.get(name))
        except (CsiFailure, SecretTrouble) as error:
            self._recorder.decide(found, "CapacityUnknown", str(error))
            raise Unavailable(str(error)) from error
        return LOOK_S

    def _places(self, driver: str) -> Iterator[Place]:
        hosts: dict[tuple[tuple[str, str], ...], str] = {}
        for node in self._drivers.hosts(driver):
            segments = topology.segments_of(driver, node, self._drivers.csi_nodes.get(meta.name(node)))
            if segments is not None and len(hosts) < topology.MOST:
                hosts.setdefault(tuple(sorted(segments.items())), meta.name(node))
        for storage_class in self._classes.items():
            if storage_class.get("provisioner") == driver and waits_for_consumer(storage_class):
                for where, host in hosts.items():
                    yield Place(storage_class, dict(where), host)

    async def _report(self, driver: str, name: str, place: Place, known: Object | None) -> None:
        instance = await self._drivers.near(driver, node=place.host)
        if _CAN not in instance.can:
            raise CsiFailure(
                driver, "GetCapacity", "the driver cannot say how much room it has; set storageCapacity to false", "UNIMPLEMENTED"
            )
        request = csi.GetCapacityRequest(parameters=creation.parameters_for(place.storage_class))
        if place.segments:
            request.accessible_topology.segments.update(place.segments)
        answer = await self._drivers.call(instance, methods.GET_CAPACITY, request)
        wanted: Object = {"capacity": shown_bytes(max(0, answer.available_capacity))}
        if answer.HasField("maximum_volume_size"):
            wanted["maximumVolumeSize"] = shown_bytes(max(0, answer.maximum_volume_size.value))
        if known is None:
            await self._client.create(CSISTORAGECAPACITIES, _object(driver, name, place) | wanted, NAMESPACE)
        elif any(known.get(field) != wanted.get(field) for field in ("capacity", "maximumVolumeSize")):
            patch = {"capacity": None, "maximumVolumeSize": None} | wanted
            await self._client.patch(CSISTORAGECAPACITIES, name, patch, namespace=NAMESPACE)

    async def _remove(self, name: str) -> None:
        try:
            await self._client.delete(CSISTORAGECAPACITIES, name, NAMESPACE)
        except NotFound:
            return


def _object(driver: str, name: str, place: Place) -> Object:
    return {
        "metadata": {"name": name, "labels": {OF_DRIVER: driver, MANAGED_BY: US}},
        "nodeTopology": {"matchLabels": dict(place.segments)} if place.segments else {},
        "storageClassName": meta.name(place.storage_class),
    }


def _driver_of(reported: Object) -> list[str]:
    """Of those that are ours to write."""
    labels = meta.labels(reported)
    is_ours = labels.get(MANAGED_BY) == US and meta.namespace(reported) == NAMESPACE
    return [labels[OF_DRIVER]] if is_ours and OF_DRIVER in labels else []
