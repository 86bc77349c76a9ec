"""What CustomResourceDefinitions add to the table of what is served: an index that follows the store."""

from pilothouse.engine.apiserver.crds.conversion import Caller
from pilothouse.engine.apiserver.crds.naming import oldest_version
from pilothouse.engine.apiserver.crds.rows import rows_of
from pilothouse.engine.apiserver.following import follow
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.engine.apiserver.resources.served import ServedResource, ServedResources
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.json import Object, fingerprint
from pilothouse.model.schema import Schema

PREFIX = "/customresourcedefinitions.apiextensions.k8s.io/"


class ServedDefinitions:
    """metadata: the schema of every object's metadata. caller: of conversion webhooks."""

    def __init__(self, table: ServedResources, metadata: Schema, caller: Caller) -> None:
        self._table = table
        self._metadata = metadata
        self._caller = caller
        self._rows: dict[str, list[ServedResource]] = {}
        self._served_as: dict[str, bytes] = {}

    def follow(self, store: Store) -> None:
        """Serve what is established, from now on; changes reach the table before their writes are answered."""
        follow(store, (PREFIX,), self)

    def put(self, key: str, crd: Object) -> None:
        """Serve a definition as it is (see `following.Index`); what is served goes on as long as nothing changes about it."""
        name = crd["metadata"]["name"]
        # WHY names of the cluster's own: such a row would take the place of theirs, and an earlier version has let them in.
        if not meta.is_true(crd, "Established") or name in BUILT_IN:
            self._withdraw(name)
            return
        mark = fingerprint([crd["metadata"]["uid"], crd["spec"], crd["status"].get("acceptedNames"), oldest_version(crd)])
        if self._served_as.get(name) == mark:
            return
        self._withdraw(name)
        rows = rows_of(crd, self._metadata, self._caller)
        for row in rows:
            self._table.add(row)
        self._rows[name] = rows
        self._served_as[name] = mark

    def drop(self, key: str) -> None:
        self._withdraw(key.rpartition("/")[2])

    def clear(self) -> None:
        for name in tuple(self._rows):
            self._withdraw(name)

    def _withdraw(self, name: str) -> None:
        self._served_as.pop(name, None)
        for row in self._rows.pop(name, ()):
            self._table.remove(row.resource.group, row.resource.version, row.resource.plural)
            row.end()
