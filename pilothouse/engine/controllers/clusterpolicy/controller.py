"""Makes the kind ClusterNetworkPolicy. A definition that somebody has applied in its place stays as it is."""

import asyncio
from contextlib import suppress

import structlog

from pilothouse.client.client import Client
from pilothouse.engine.controllers.clusterpolicy.definition import DEFINITION, MADE_HERE
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS

log = structlog.get_logger("controllers.clusterpolicy")
RETRY_S = 5.0
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class ClusterPolicyKind:
    """Nothing of the control plane waits for the kind."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def run(self, ready: asyncio.Event | None = None) -> None:
        if ready is not None:
            ready.set()
        while True:
            try:
                await install(self._client)
            except ApiError as error:
                log.warning("the kind ClusterNetworkPolicy is not made", why=error.message, retry_s=RETRY_S)
                await asyncio.sleep(RETRY_S)
            else:
                await asyncio.Event().wait()


async def install(client: Client) -> None:
    """Raises ApiError."""
    found = await client.get_or_none(CRDS, meta.name(DEFINITION))
    if found is None:
        with suppress(AlreadyExists):
            await client.create(CRDS, DEFINITION)
    elif _is_another(found):
        patch = {"metadata": {"annotations": DEFINITION["metadata"]["annotations"]}, "spec": DEFINITION["spec"]}
        await client.patch(CRDS, meta.name(DEFINITION), patch)


def _is_another(found: Object) -> bool:
    """Ours, of a later or earlier version."""
    annotations, own = meta.annotations(found), DEFINITION["metadata"]["annotations"][MADE_HERE]
    return _APPLIED not in annotations and annotations.get(MADE_HERE, own) != own
