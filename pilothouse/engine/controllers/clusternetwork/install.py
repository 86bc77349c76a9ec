"""Makes the kind ClusterNetwork and its one object where they are missing. A definition of a later or earlier version is replaced."""

from contextlib import suppress

from pilothouse.client.client import Client
from pilothouse.engine.controllers.clusternetwork.definitions import DEFINITION, MADE_HERE
from pilothouse.model import meta
from pilothouse.model.cluster_network import CLUSTERNETWORKS, NAME
from pilothouse.model.errors import AlreadyExists
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS


async def install(client: Client, spec: Object | None = None) -> None:
    """spec: of the object, where there is none. Raises ApiError: also while the kind is not served yet, for a moment after it was made."""
    found = await client.get_or_none(CRDS, meta.name(DEFINITION))
    if found is None:
        with suppress(AlreadyExists):
            await client.create(CRDS, DEFINITION)
    elif meta.annotations(found).get(MADE_HERE) != meta.annotations(DEFINITION)[MADE_HERE]:
        patch = {"metadata": {"annotations": meta.annotations(DEFINITION)}, "spec": DEFINITION["spec"]}
        await client.patch(CRDS, meta.name(DEFINITION), patch)
    if await client.get_or_none(CLUSTERNETWORKS, NAME) is None:
        with suppress(AlreadyExists):
            await client.create(CLUSTERNETWORKS, {"metadata": {"name": NAME}, "spec": spec or {}})
