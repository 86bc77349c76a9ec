"""Keeps ServiceCIDRs: the cluster's own is always there, and one that is deleted goes when no Service needs it.

Each is ready, unless it overlaps the pods' network. An ending network gives no more addresses from the moment its deletion is
committed (`services.addresses`), so that nothing has to be waited for but the Services that have addresses of it alone.
Source: kubernetes pkg/controller/servicecidrs, pkg/controlplane/controller/defaultservicecidr.
"""

import time
import uuid
from contextlib import suppress

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.kinds.service_networks import FINALIZER
from pilothouse.engine.apiserver.resources.keys import key_of, place_of, prefix_of
from pilothouse.engine.apiserver.services.addresses import DEFAULT, networks_of
from pilothouse.engine.apiserver.services.allocation import Allocation
from pilothouse.engine.apiserver.upkeep.reconciler import Reconciler
from pilothouse.engine.store.errors import KeyExists, Mismatch
from pilothouse.engine.store.record import Change, Record
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import SERVICECIDRS, SERVICES

_READY = ("True", "", "Kubernetes Service CIDR is ready")
_TERMINATING = (
    "False",
    "Terminating",
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
)


_OVERLAPS = "OverlapsPodNetwork"


class ServiceCidrs:
    """Keys of its queue are names of ServiceCIDRs."""

    def __init__(self, store: Store, allocation: Allocation) -> None:
        self._store = store
        self._allocation = allocation
        self._queue = Reconciler("service-cidrs", self._mend)

    async def run(self) -> None:
        """Works until it is cancelled."""
        watches = [
            self._store.watch(prefix_of(SERVICECIDRS), self._store.revision, self._note_all),
            self._store.watch(prefix_of(SERVICES), self._store.revision, self._note_ending),
        ]
        try:
            self._note_all()
            await self._queue.run()
        finally:
            for watch in watches:
                watch.close()

    async def caught_up(self, write: Write) -> None:
        """See `write.path.Follower`: a new network is ready when its creation is answered."""
        await self._queue.caught_up(write.name)

    def _note_all(self, change: Change | None = None) -> None:
        """Whether a network may go depends on the others."""
        names = {place_of(record.key)[1] for record in self._store.scan(prefix_of(SERVICECIDRS))}
        for name in names | {DEFAULT} | ({place_of(change.key)[1]} if change is not None else set()):
            self._queue.note(name)

    def _note_ending(self, change: Change) -> None:
        if change.type == "ADDED":
            return
        for record in self._store.scan(prefix_of(SERVICECIDRS)):
            if meta.is_deleting(record.value):
                self._queue.note(place_of(record.key)[1])

    async def _mend(self, name: str) -> None:
        record = self._store.latest(key_of(SERVICECIDRS, "", name))
        with suppress(Mismatch, KeyExists):  # Its change has noted the key again.
            if record is None:
                await self._restore(name)
            elif meta.is_deleting(record.value):
                await self._end(record)
            else:
                overlap = self._allocation.addresses.overlap(record.value)
                state = ("False", _OVERLAPS, overlap) if overlap else _READY
                await self._write(record, record.value["metadata"] | {"finalizers": _with_ours(record.value)}, state)

    async def _restore(self, name: str) -> None:
        """Of the cluster's own networks; raises KeyExists."""
        if name == DEFAULT:
            made_at = meta.rfc3339(time.time())
            metadata = {"name": name, "uid": str(uuid.uuid4()), "creationTimestamp": made_at, "finalizers": [FINALIZER]}
            value: Object = {"metadata": metadata, "spec": {"cidrs": [str(network) for network in self._allocation.networks]}, "status": {}}
            await self._store.create(key_of(SERVICECIDRS, "", name), value)

    async def _end(self, record: Record) -> None:
        """Raises Mismatch."""
        held, name, networks = self._allocation.addresses, meta.name(record.value), networks_of(record.value)
        if held.is_needed(name, networks):
            await self._write(record, record.value["metadata"], _TERMINATING)
            return
        if held.is_reserved(name, networks):
            self._queue.note(name)  # Until the write that is on its way has an outcome.
            return
        finalizers = [each for each in meta.finalizers(record.value) if each != FINALIZER]
        if not finalizers:
            await self._store.delete(record.key, expected=record.revision)
        elif finalizers != meta.finalizers(record.value):
            metadata = record.value["metadata"] | {"finalizers": finalizers}
            await self._store.update(record.key, record.value | {"metadata": metadata}, expected=record.revision)

    async def _write(self, record: Record, metadata: Object, ready: tuple[str, str, str]) -> None:
        """Raises Mismatch."""
        value = record.value | {"metadata": metadata, "status": _status(record.value, ready)}
        if value != record.value:
            await self._store.update(record.key, value, expected=record.revision)


def _with_ours(value: Object) -> list[str]:
    finalizers = meta.finalizers(value)
    return finalizers if FINALIZER in finalizers else [*finalizers, FINALIZER]


def _status(value: Object, ready: tuple[str, str, str]) -> Object:
    status, reason, message = ready
    before = value.get("status") or {}
    current = meta.condition(value, "Ready") or {}
    if (current.get("status"), current.get("reason"), current.get("message")) == ready:
        return before
    stamp = current.get("lastTransitionTime") if current.get("status") == status else None
    condition = {"type": "Ready", "status": status, "reason": reason, "message": message}
    condition["lastTransitionTime"] = stamp or meta.rfc3339(time.time())
    others = [each for each in before.get("conditions") or () if each.get("type") != "Ready"]
    return before | {"conditions": [*others, condition]}
