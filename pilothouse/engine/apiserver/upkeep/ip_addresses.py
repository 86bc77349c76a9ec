"""Keeps an IPAddress for each address that a Service has, and none for those that have been given back.

Services are what counts: allocation reads them, and an IPAddress that is missing, wrong or left over is mended from them, after a crash
as at any other time. IPAddresses that others have made are left alone, unless they name the address of a Service.
Source: kubernetes pkg/registry/core/service/ipallocator/controller/repairip.go.
"""

import ipaddress
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.kinds.service_networks import ALLOCATOR, MANAGED_BY
from pilothouse.engine.apiserver.resources.keys import key_of, place_of, prefix_of
from pilothouse.engine.apiserver.services import addresses
from pilothouse.engine.apiserver.services.addresses import Addresses
from pilothouse.engine.apiserver.upkeep.reconciler import Reconciler
from pilothouse.engine.store.errors import KeyExists, Mismatch
from pilothouse.engine.store.record import Change
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import IPADDRESSES, SERVICES
from pilothouse.model.networks import family

_FAMILY = "ipaddress.kubernetes.io/ip-family"


class IpAddresses:
    """Keys of its queue are addresses as text, the names of IPAddresses."""

    def __init__(self, store: Store, held: Addresses) -> None:
        self._store = store
        self._held = held
        self._queue = Reconciler("ip-addresses", self._mend)

    async def run(self) -> None:
        """Works until it is cancelled."""
        watches = [
            self._store.watch(prefix_of(SERVICES), self._store.revision, self._note_service),
            self._store.watch(prefix_of(IPADDRESSES), self._store.revision, self._note_address),
        ]
        try:
            for record in self._store.scan(prefix_of(SERVICES)):
                self._note(_of(record.peek()))
            self._note(place_of(record.key)[1] for record in self._store.scan(prefix_of(IPADDRESSES)))
            await self._queue.run()
        finally:
            for watch in watches:
                watch.close()

    async def caught_up(self, write: Write) -> None:
        """See `write.path.Follower`: a Service's IPAddress is there, or gone, with the Service."""
        for address in {*_of(write.value or {}), *_of(write.old or {})}:
            await self._queue.caught_up(address)

    def _note(self, names: Iterable[str]) -> None:
        for name in names:
            self._queue.note(name)

    def _note_service(self, change: Change) -> None:
        """Only addresses that have changed hands: most changes of a Service are none of its address."""
        now = set() if change.type == "DELETED" else _of(change.record.value)
        before = set() if change.previous is None else _of(change.previous.value)
        self._note(now ^ before)

    def _note_address(self, change: Change) -> None:
        self._queue.note(place_of(change.key)[1])

    async def _mend(self, name: str) -> None:
        number = addresses.claimed(name)
        key = key_of(IPADDRESSES, "", name)
        record = self._store.latest(key)
        referred = addresses.owner_of_parent(name, record.value) if record is not None else ""
        service = self._held.service_at(number, referred)
        with suppress(Mismatch, KeyExists):  # Its change has noted the key again.
            if record is None:
                if service is not None:
                    await self._store.create(key, _followed(name, *service))
            elif self._is_wrong(record.value, service):
                # Made anew rather than changed: who watches IPAddresses relies on it that the parent of one never changes.
                await self._store.delete(key, expected=record.revision)

    def _is_wrong(self, value: Object, service: tuple[str, str] | None) -> bool:
        if service is None:
            return addresses.is_followed(value)
        wanted = _followed(meta.name(value), *service)
        has_labels = wanted["metadata"]["labels"].items() <= meta.labels(value).items()
        return not has_labels or (value.get("spec") or {}) != wanted["spec"]


def _of(service: Object) -> set[str]:
    return {str(addresses.address_at(number)) for number in addresses.of_service(service)}


def _followed(name: str, namespace: str, service: str) -> Object:
    labels = {MANAGED_BY: ALLOCATOR, _FAMILY: family(ipaddress.ip_address(name))}
    metadata = {"name": name, "uid": str(uuid.uuid4()), "creationTimestamp": meta.rfc3339(time.time()), "labels": labels}
    parent = {"resource": SERVICES.plural, "namespace": namespace, "name": service}
    return {"metadata": metadata, "spec": {"parentRef": parent}}
