"""What has to happen once a write is committed, before it is answered.

A CustomResourceDefinition starts or stops serving its resource here, so that discovery is fresh the moment a client has its
answer; the last instance of a dying definition takes the definition with it.
"""

from pilothouse.engine.apiserver.answer import Stored
from pilothouse.engine.apiserver.authz import aggregation
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.served import Served
from pilothouse.model.kinds import CLUSTERROLES, CRDS


async def written(backend: Backend, served: Served, record: Stored, dry_run: bool) -> None:
    """After a create or an update."""
    if dry_run:
        return
    if served.resource is CRDS:
        await backend.definitions.establish(record.value["metadata"]["name"])
    elif served.resource is CLUSTERROLES:
        await aggregation.refresh(backend.store)


async def deleted(backend: Backend, served: Served, record: Stored, dry_run: bool) -> None:
    """After a delete: record is the object as it is or last was."""
    if dry_run:
        return
    if served.resource is CRDS:
        await backend.definitions.clean_up(record.value["metadata"]["name"])
    elif served.resource is CLUSTERROLES:
        await aggregation.refresh(backend.store)
    elif served.custom:
        await backend.definitions.clean_up(served.resource.group_resource)
