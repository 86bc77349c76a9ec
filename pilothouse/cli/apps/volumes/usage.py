"""How much of volumes is used, as their nodes say it: of those that a running pod has mounted."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pilothouse.aio.tasks import each
from pilothouse.cli.apps.volumes.listed import Listed
from pilothouse.model.errors import ApiError

if TYPE_CHECKING:
    from pilothouse.client.client import Client

PATIENCE_S = 3.0
NODES_AT_ONCE = 8


async def used_bytes(client: "Client", found: Iterable[Listed]) -> dict[str, int]:
    """By NAMESPACE/CLAIM. Of nodes that do not answer, or that the user may not ask, nothing."""
    nodes = sorted({one.node for one in found if one.node and one.users})
    answers = await each([_of_node(client, node) for node in nodes], limit=NODES_AT_ONCE)
    return {key: used for answer in answers for key, used in answer.items()}


async def _of_node(client: "Client", node: str) -> dict[str, int]:
    with contextlib.suppress(ApiError, TimeoutError, OSError):
        async with asyncio.timeout(PATIENCE_S):
            return dict(in_summary(await client.call("GET", f"/api/v1/nodes/{node}/proxy/stats/summary")))
    return {}


def in_summary(summary: Any) -> Iterator[tuple[str, int]]:
    """NAMESPACE/CLAIM and bytes of each claim that a kubelet's summary speaks of."""
    for pod in summary.get("pods") or ():
        for volume in pod.get("volume") or ():
            claim = volume.get("pvcRef")
            if claim and isinstance(volume.get("usedBytes"), int):
                yield f"{claim.get('namespace')}/{claim.get('name')}", volume["usedBytes"]
