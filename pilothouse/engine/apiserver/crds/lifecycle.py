"""The life of a CustomResourceDefinition after its write: its names, its rows in the table, its instances' end.

All of it happens while the write that caused it is being answered; there is no controller that could lag behind. What a crash leaves
unfinished is taken up at the next start (`resume`).
"""

import time

from pilothouse.engine.apiserver.crds.naming import FINALIZER, status_of
from pilothouse.engine.apiserver.crds.rows import rows_of
from pilothouse.engine.apiserver.following import follow
from pilothouse.engine.apiserver.served import Table
from pilothouse.engine.store.errors import Mismatch
from pilothouse.engine.store.record import Record
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.schema import Schema

PREFIX = "/customresourcedefinitions.apiextensions.k8s.io/"
_ATTEMPTS = 10


class Definitions:
    def __init__(self, store: Store, table: Table, metadata: Schema) -> None:
        """metadata: the schema of every object's metadata."""
        self._store = store
        self._table = table
        self._metadata = metadata
        self._rows: dict[str, list[tuple[str, str, str]]] = {}

    async def resume(self) -> None:
        """Serve what is defined and finish what was begun."""
        follow(self._store, (PREFIX,), self)
        for record in self._store.scan(PREFIX):
            await self.establish(record.value["metadata"]["name"])
            await self.clean_up(record.value["metadata"]["name"])

    def put(self, key: str, crd: Object) -> None:
        """Serve a definition as it is (see `following.Index`)."""
        name = crd["metadata"]["name"]
        self._withdraw(name)
        if not meta.is_true(crd, "Established"):
            return
        rows = rows_of(crd, self._metadata)
        for row in rows:
            self._table.add(row)
        self._rows[name] = [(row.resource.group, row.resource.version, row.resource.plural) for row in rows]

    def drop(self, key: str) -> None:
        self._withdraw(key.rpartition("/")[2])

    def clear(self) -> None:
        for name in tuple(self._rows):
            self._withdraw(name)

    def _withdraw(self, name: str) -> None:
        for group, version, plural in self._rows.pop(name, ()):
            self._table.remove(group, version, plural)

    def is_dying(self, name: str) -> bool:
        """Whether the definition is being deleted, or will be once what is queued is on disk."""
        record = self._store.latest(f"{PREFIX}/{name}")
        return record is None or meta.is_deleting(record.value)

    async def establish(self, name: str) -> None:
        """Write what names the definition has been given; definitions that waited for a name are looked at again."""
        for _ in range(_ATTEMPTS):
            record = self._store.latest(f"{PREFIX}/{name}")
            if record is None:
                return
            status = status_of(record.value, self._others(record), meta.rfc3339(time.time()))
            if status == record.value.get("status"):
                return
            try:
                await self._store.update(record.key, record.value | {"status": status}, expected=record.revision)
                return
            except Mismatch:
                continue

    def _others(self, record: Record) -> list[Object]:
        group = record.value["spec"]["group"]
        return [other.value for other in self._store.scan(PREFIX) if other.key != record.key and other.value["spec"]["group"] == group]

    async def clean_up(self, name: str) -> None:
        """Remove the instances of a dying definition, and then the definition; instances with finalizers hold it back."""
        record = self._store.latest(f"{PREFIX}/{name}")
        if record is None or not meta.is_deleting(record.value):
            return
        for instance in self._store.scan(f"/{name}/"):
            await self._remove_instance(instance.key)
        if not self._store.count(f"/{name}/"):
            await self._release(name)

    async def _remove_instance(self, key: str) -> None:
        for _ in range(_ATTEMPTS):
            record = self._store.latest(key)
            if record is None:
                return
            try:
                if not meta.finalizers(record.value):
                    await self._store.delete(key, expected=record.revision)
                elif not meta.is_deleting(record.value):
                    stamp = {"deletionTimestamp": meta.rfc3339(time.time()), "deletionGracePeriodSeconds": 0}
                    value = record.value | {"metadata": record.value["metadata"] | stamp}
                    await self._store.update(key, value, expected=record.revision)
                return
            except Mismatch:
                continue

    async def _release(self, name: str) -> None:
        key = f"{PREFIX}/{name}"
        for _ in range(_ATTEMPTS):
            record = self._store.latest(key)
            if record is None:
                return
            left = [finalizer for finalizer in meta.finalizers(record.value) if finalizer != FINALIZER]
            metadata = {k: v for k, v in record.value["metadata"].items() if k != "finalizers"}
            value = record.value | {"metadata": metadata | ({"finalizers": left} if left else {})}
            try:
                if left:
                    await self._store.update(key, value, expected=record.revision)
                else:
                    await self._store.delete(key, expected=record.revision, value=value)
                return
            except Mismatch:
                continue
