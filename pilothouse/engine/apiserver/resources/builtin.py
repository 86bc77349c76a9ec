"""The table's first rows: every built-in resource that is served, with its schema and its place in the store."""

from collections import defaultdict
from collections.abc import Sequence

from pilothouse.engine.apiserver.kinds import service_networks, services
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.registry import SERVED
from pilothouse.engine.apiserver.resources.served import ServedResource, ServedResources
from pilothouse.model.schema import Catalog, Schema
from pilothouse.model.schema.crd import from_crd


def built_in_table(schemas: Catalog, families: Sequence[str]) -> ServedResources:
    """families: of the cluster's service addresses, the default one first."""
    of_families = {each.resource: each for each in (services.kind(families), service_networks.cidr_kind(families))}
    rows = [_row(of_families.get(kind.resource, kind), schemas) for kind in SERVED]
    sharing: dict[str, dict[str, ServedResource]] = defaultdict(dict)
    for row in rows:
        sharing[row.prefix][row.resource.api_version] = row
    for row in rows:
        if len(siblings := sharing[row.prefix]) > 1:
            row.siblings = siblings
    return ServedResources(rows)


def _row(kind: Kind, schemas: Catalog) -> ServedResource:
    def schema() -> Schema:
        return schemas.schema(kind.definition) if kind.openapi is None else from_crd(kind.openapi)

    return ServedResource(kind, schema, f"/{(kind.stored_as or kind.resource).group_resource}/", openapi=kind.openapi)
