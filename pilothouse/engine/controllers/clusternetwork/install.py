"""Makes the kind ClusterNetwork and its one object where they are missing."""

from contextlib import suppress

from pilothouse.client.client import Client
from pilothouse.engine.controllers import own_kinds
from pilothouse.engine.controllers.clusternetwork.definitions import DEFINITION
from pilothouse.model.cluster_network import CLUSTERNETWORKS, NAME
from pilothouse.model.errors import AlreadyExists
from pilothouse.model.json import Object


async def install(client: Client, spec: Object | None = None) -> None:
    """spec: of the object, where there is none. Raises ApiError: also while the kind is not served yet, for a moment after it was made."""
    await own_kinds.ensure(client, DEFINITION)
    await ensure_object(client, spec)


async def ensure_object(client: Client, spec: Object | None = None) -> None:
    if await client.get_or_none(CLUSTERNETWORKS, NAME) is None:
        with suppress(AlreadyExists):
            await client.create(CLUSTERNETWORKS, {"metadata": {"name": NAME}, "spec": spec or {}})
