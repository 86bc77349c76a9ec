"""The table's first rows: every built-in resource, with its schema and its place in the store."""

from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.engine.apiserver.resources.served import ServedResource, ServedResources
from pilothouse.model.kinds import BUILT_IN as RESOURCES
from pilothouse.model.resource import Resource
from pilothouse.model.schema import Catalog, Schema


def built_in_table(schemas: Catalog) -> ServedResources:
    return ServedResources(_row(resource, schemas) for resource in RESOURCES)


def _row(resource: Resource, schemas: Catalog) -> ServedResource:
    kind = BUILT_IN[resource.group_resource]

    def schema() -> Schema:
        return schemas.schema(kind.definition)

    return ServedResource(kind, schema, f"/{(kind.stored_as or resource).group_resource}/")
