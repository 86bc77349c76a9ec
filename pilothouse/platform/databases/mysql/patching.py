"""Changes of pods, and what the cluster says to such as it will not have."""

from pilothouse.client.client import Client
from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.model import kinds, meta
from pilothouse.model.errors import BadRequest, Forbidden, Invalid, NotFound
from pilothouse.model.json import Object

REFUSED = (BadRequest, Forbidden, Invalid)
"""What the server says to an object that it will not have: said in a condition, and tried again."""


async def patched(client: Client, pod: Object, patch: Object, subresource: str | None = None) -> None:
    """A pod that has gone meanwhile needs nothing more."""
    given = {"namespace": meta.namespace(pod), "type": STRATEGIC_PATCH, "subresource": subresource}
    try:
        await client.patch(kinds.PODS, meta.name(pod), patch, **given)  # type: ignore[arg-type]
    except NotFound:
        return
