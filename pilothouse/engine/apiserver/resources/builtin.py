"""The table's first rows: every built-in resource that is served, with its schema and its place in the store."""

from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.engine.apiserver.resources.served import ServedResource, ServedResources
from pilothouse.model.schema import Catalog, Schema


def built_in_table(schemas: Catalog) -> ServedResources:
    return ServedResources(_row(kind, schemas) for kind in BUILT_IN.values())


def _row(kind: Kind, schemas: Catalog) -> ServedResource:
    def schema() -> Schema:
        return schemas.schema(kind.definition)

    return ServedResource(kind, schema, f"/{(kind.stored_as or kind.resource).group_resource}/")
