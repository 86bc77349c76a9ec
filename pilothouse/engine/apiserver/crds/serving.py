"""What CustomResourceDefinitions add to the table of what is served: an index that follows the store."""

from pilothouse.engine.apiserver.crds.rows import rows_of
from pilothouse.engine.apiserver.following import follow
from pilothouse.engine.apiserver.resources.served import ServedResources
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.schema import Schema

PREFIX = "/customresourcedefinitions.apiextensions.k8s.io/"


class ServedDefinitions:
    """metadata: the schema of every object's metadata."""

    def __init__(self, table: ServedResources, metadata: Schema) -> None:
        self._table = table
        self._metadata = metadata
        self._rows: dict[str, list[tuple[str, str, str]]] = {}

    def follow(self, store: Store) -> None:
        """Serve what is established, from now on; changes reach the table before their writes are answered."""
        follow(store, (PREFIX,), self)

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
