"""An APIService for each version that is served, and the word that others are not: clients list them to learn who answers for what.

Aggregated servers are not asked. An APIService that names a service is kept, and says in its status what is missing (`availability`).
Source: kube-aggregator pkg/controllers/autoregister.
"""

import time

from pilothouse.engine.apiserver.crds.serving import PREFIX as DEFINITIONS
from pilothouse.engine.apiserver.kinds.apiservices import AVAILABLE, LOCAL, name_of, service_of
from pilothouse.engine.apiserver.resources.keys import place_of, prefix_of
from pilothouse.engine.apiserver.resources.served import ServedResources
from pilothouse.engine.apiserver.upkeep.availability import Availability
from pilothouse.engine.apiserver.upkeep.reconciler import Reconciler
from pilothouse.engine.apiserver.webhooks.services import SERVICE_NAME
from pilothouse.engine.store.errors import KeyExists, Mismatch
from pilothouse.engine.store.record import Change, Record
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, SERVICES

PREFIX = "/apiservices.apiregistration.k8s.io/"
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
_LOCALLY = ("True", LOCAL, "Local APIServices are always available")
_CORE, _BUILT_IN, _CUSTOM = (18000, 1), (17000, 15), (1000, 100)
"""groupPriorityMinimum and versionPriority; source: pkg/controlplane/apiserver/aggregator.go, crdregistration."""


class ApiServices:
    """Keys of its queue are names of APIServices."""

    def __init__(self, store: Store, table: ServedResources, availability: Availability) -> None:
        self._store = store
        self._table = table
        self._availability = availability
        self._queue = Reconciler("apiservices", self._mend)

    async def run(self) -> None:
        """Works until it is cancelled."""
        since = self._store.revision
        watches = [
            self._store.watch(PREFIX, since, self._note),
            self._store.watch(DEFINITIONS, since, self._note_definition),
            self._store.watch(prefix_of(SERVICES), since, self._note_service),
            self._store.watch(prefix_of(ENDPOINTSLICES), since, self._note_slice),
        ]
        try:
            for group in self._table.groups():
                for version in self._table.versions(group):
                    self._queue.note(name_of(group, version))
            for record in self._store.scan(PREFIX):
                self._queue.note(record.value["metadata"]["name"])
            await self._queue.run()
        finally:
            for watch in watches:
                watch.close()

    def _note(self, change: Change) -> None:
        self._queue.note(change.record.value["metadata"]["name"])

    def _note_definition(self, change: Change) -> None:
        spec = change.record.value["spec"]
        for version in spec["versions"]:
            self._queue.note(name_of(spec["group"], version["name"]))

    def _note_service(self, change: Change) -> None:
        for name in self._table.foreign.behind(*place_of(change.key)):
            self._queue.note(name)

    def _note_slice(self, change: Change) -> None:
        """A slice may have gone over from one Service to another."""
        for record in (change.record, change.previous):
            metadata = {} if record is None else record.value["metadata"]
            service = (metadata.get("labels") or {}).get(SERVICE_NAME)
            for name in self._table.foreign.behind(metadata["namespace"], service) if service else ():
                self._queue.note(name)

    async def _mend(self, name: str) -> None:
        key = f"{PREFIX}/{name}"
        record = self._store.latest(key)
        try:
            if record is None:
                await self._create(key, name)
            elif self._is_left_over(record, name):
                await self._store.delete(key, expected=record.revision)
            else:
                await self._state(record)
        except (KeyExists, Mismatch):
            self._queue.note(name)

    async def _create(self, key: str, name: str) -> None:
        version, _, group = name.partition(".")
        if version not in self._table.versions(group):
            return
        custom = self._table.is_custom(group)
        group_priority, version_priority = _CUSTOM if custom else _BUILT_IN if group else _CORE
        labels = {MANAGED: "true" if custom else "onstart"}
        stamp = meta.rfc3339(time.time())
        spec = {"groupPriorityMinimum": group_priority, "version": version, "versionPriority": version_priority}
        value = {
            "metadata": {"name": name, "uid": meta.new_uid(), "creationTimestamp": stamp, "labels": labels},
            "spec": spec | ({"group": group} if group else {}),
        }
        await self._store.create(key, value | {"status": _status(value, _LOCALLY, stamp)})

    def _is_left_over(self, record: Record, name: str) -> bool:
        version, _, group = name.partition(".")
        managed = MANAGED in (record.value["metadata"].get("labels") or {})
        return managed and service_of(record.value) is None and version not in self._table.versions(group)

    async def _state(self, record: Record) -> None:
        spec = record.value["spec"]
        state = _LOCALLY if service_of(record.value) is None else ("False", *self._availability.missing(spec))
        status = _status(record.value, state, meta.rfc3339(time.time()))
        if status != record.value.get("status"):
            await self._store.update(record.key, record.value | {"status": status}, expected=record.revision)


def _status(obj: Object, state: tuple[str, str, str], now: str) -> Object:
    """state: of the condition: its status, reason and message."""
    word = dict(zip(("status", "reason", "message"), state, strict=True))
    status: Object = obj.get("status") or {}
    return status | {"conditions": meta.with_condition(status.get("conditions"), {"type": AVAILABLE, **word}, now)}
