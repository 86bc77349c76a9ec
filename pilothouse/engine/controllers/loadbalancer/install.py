"""Makes the kinds of metallb.io, and the namespace that their objects are read from, where they are missing.

A definition that somebody has applied in the place of ours (MetalLB's own manifests) stays as it is.
"""

from contextlib import suppress

from pilothouse.client.client import Client
from pilothouse.engine.controllers.loadbalancer.bgp_definitions import BGP_DEFINITIONS
from pilothouse.engine.controllers.loadbalancer.definitions import DEFINITIONS, MADE_HERE, VERSION
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS, NAMESPACES
from pilothouse.model.load_balancers import NAMESPACE

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


async def install(client: Client) -> None:
    """Raises ApiError."""
    for definition in (*DEFINITIONS, *BGP_DEFINITIONS):
        await _ensure(client, definition)
    if await client.get_or_none(NAMESPACES, NAMESPACE) is None:
        with suppress(AlreadyExists):
            await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})


async def _ensure(client: Client, definition: Object) -> None:
    found = await client.get_or_none(CRDS, meta.name(definition))
    if found is None:
        with suppress(AlreadyExists):
            await client.create(CRDS, definition)
    elif _is_older(found):
        patch = {"metadata": {"annotations": definition["metadata"]["annotations"]}, "spec": definition["spec"]}
        await client.patch(CRDS, meta.name(definition), patch)


def _is_older(found: Object) -> bool:
    annotations = meta.annotations(found)
    return _APPLIED not in annotations and annotations.get(MADE_HERE, VERSION) != VERSION
