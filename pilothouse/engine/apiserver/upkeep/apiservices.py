"""An APIService for each version that is served, and whether others answer for theirs: clients list them to learn who answers for what.

An APIService that names a service says in its status what is missing (`availability`), and what came of asking its server
(`aggregator.checks`).
Source: kube-aggregator pkg/controllers/autoregister.
"""

import time

from pilothouse.aio.tasks import scope
from pilothouse.engine.apiserver.aggregator.asking import Asker
from pilothouse.engine.apiserver.aggregator.checks import Checks
from pilothouse.engine.apiserver.aggregator.findings import Findings
from pilothouse.engine.apiserver.crds.serving import PREFIX as DEFINITIONS
from pilothouse.engine.apiserver.discovery import gnostic
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

State = tuple[str, str, str]
"""Of the condition Available: its status, reason and message."""


class ApiServices:
    """Keys of its queue are names of APIServices."""

    def __init__(self, store: Store, table: ServedResources, availability: Availability, asker: Asker, findings: Findings) -> None:
        self._store = store
        self._table = table
        self._availability = availability
        self._findings = findings
        self._checks = Checks(table.foreign.named, asker, findings, self._note_name, gnostic.body)
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
            async with scope() as tasks:
                tasks.spawn(self._checks.run())
                await self._queue.run()
                tasks.cancel()
        finally:
            for watch in watches:
                watch.close()

    def _note_name(self, name: str) -> None:
        self._queue.note(name)

    def _note(self, change: Change) -> None:
        self._queue.note(change.record.value["metadata"]["name"])

    def _ask(self, name: str) -> None:
        """What is behind it has changed."""
        self._checks.ask(name)
        self._queue.note(name)

    def _note_definition(self, change: Change) -> None:
        spec = change.record.value["spec"]
        for version in spec["versions"]:
            self._queue.note(name_of(spec["group"], version["name"]))

    def _note_service(self, change: Change) -> None:
        for name in self._table.foreign.behind(*place_of(change.key)):
            self._ask(name)

    def _note_slice(self, change: Change) -> None:
        """A slice may have gone over from one Service to another."""
        for record in (change.record, change.previous):
            metadata = {} if record is None else record.value["metadata"]
            service = (metadata.get("labels") or {}).get(SERVICE_NAME)
            for name in self._table.foreign.behind(metadata["namespace"], service) if service else ():
                self._ask(name)

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
        state = _LOCALLY if service_of(record.value) is None else self._state_of_other(record.value)
        if state is None:
            return
        status = _status(record.value, state, meta.rfc3339(time.time()))
        if status != record.value.get("status"):
            await self._store.update(record.key, record.value | {"status": status}, expected=record.revision)

    def _state_of_other(self, obj: Object) -> State | None:
        """None as long as its server has not been asked: what was found out last stands, also over a start of this one."""
        name, spec = obj["metadata"]["name"], obj["spec"]
        registration = self._table.foreign.named(name)
        if registration is None or self._table.foreign_at(registration.group, registration.version) is None:
            return "False", "ServedLocally", f"this server answers for {name} itself, and does not ask the service"
        if (missing := self._availability.missing(spec)) is not None:
            self._findings.outdate(name)
            return "False", *missing
        finding = self._findings.of(registration)
        if finding is None or finding.is_outdated:
            self._checks.ask(name)
            return None
        return ("False", "FailedDiscoveryCheck", finding.failure) if finding.failure else ("True", "Passed", "all checks passed")


def _status(obj: Object, state: State, now: str) -> Object:
    word = dict(zip(("status", "reason", "message"), state, strict=True))
    status: Object = obj.get("status") or {}
    return status | {"conditions": meta.with_condition(status.get("conditions"), {"type": AVAILABLE, **word}, now)}
