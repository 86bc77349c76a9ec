"""Makes the kinds of metallb.io, and the namespace that their objects are read from, where they are missing."""

from contextlib import suppress

from pilothouse.client.client import Client
from pilothouse.engine.controllers import own_kinds
from pilothouse.engine.controllers.loadbalancer.bgp_definitions import BGP_DEFINITIONS
from pilothouse.engine.controllers.loadbalancer.definitions import DEFINITIONS
from pilothouse.model.errors import AlreadyExists
from pilothouse.model.kinds import NAMESPACES
from pilothouse.model.load_balancers import NAMESPACE


async def install(client: Client) -> None:
    """Raises ApiError."""
    await own_kinds.ensure(client, *DEFINITIONS, *BGP_DEFINITIONS)
    if await client.get_or_none(NAMESPACES, NAMESPACE) is None:
        with suppress(AlreadyExists):
            await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
