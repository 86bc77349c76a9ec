"""The table's first rows: every built-in resource, with its schema and its place in the store."""

from pilothouse.engine.apiserver.kinds import events
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.engine.apiserver.resources.served import ServedResource, ServedResources
from pilothouse.model.kinds import BUILT_IN as RESOURCES
from pilothouse.model.kinds import ENDPOINTS, EVENTS, EVENTS_V1
from pilothouse.model.resource import Resource
from pilothouse.model.schema import Catalog, Schema


def built_in_table(schemas: Catalog) -> ServedResources:
    return ServedResources(_row(resource, schemas) for resource in RESOURCES)


def _row(resource: Resource, schemas: Catalog) -> ServedResource:
    kind = BUILT_IN[resource.group_resource]

    def schema() -> Schema:
        return schemas.schema(kind.definition)

    stored_under = EVENTS if resource is EVENTS_V1 else resource
    row = ServedResource(kind, schema, f"/{stored_under.group_resource}/")
    if resource is ENDPOINTS:
        row.deprecation = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    if resource is EVENTS_V1:
        row.blames = ""
        row.to_stored, row.from_stored = events.to_stored, events.from_stored
    return row
