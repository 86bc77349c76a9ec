"""What the control plane asks of a node's volumes, over HTTP.

    PUT    /volumes/NAME?sizeBytes=N     makes the volume or has it grow; answers with what there is
    DELETE /volumes/NAME                 removes it, 409 while somebody uses it

Both may be repeated. Failures are Status objects.
"""

from collections.abc import Sequence
from urllib.parse import parse_qs

from pilothouse.engine.node.local_volumes.store import LocalVolumes
from pilothouse.model.digits import natural
from pilothouse.model.errors import ApiError, BadRequest, MethodNotAllowed, NotFound
from pilothouse.model.json import dumps
from pilothouse.wire.messages import Request, Response

JSON = (("content-type", "application/json"),)
WORD = "volumes"


async def answer(volumes: LocalVolumes, request: Request, words: Sequence[str]) -> Response:
    """words: of the decoded path."""
    try:
        return await _answer(volumes, request, words)
    except ApiError as error:
        return Response(error.code, JSON, dumps(error.to_status()))


async def _answer(volumes: LocalVolumes, request: Request, words: Sequence[str]) -> Response:
    if len(words) != 2:
        raise NotFound(f"the node serves no {request.path}")
    if request.method == "DELETE":
        await volumes.remove(words[1])
        return Response(200, JSON, b"{}")
    if request.method != "PUT":
        raise MethodNotAllowed("volumes are made by PUT and removed by DELETE")
    size_bytes = natural((parse_qs(request.query).get("sizeBytes") or [""])[0])
    if not size_bytes:
        raise BadRequest("sizeBytes is a number above zero")
    made = await volumes.ensure(words[1], size_bytes)
    said = {"sizeBytes": made.size_bytes, "path": str(made.path), "enforcement": made.enforcement, "isPending": made.is_pending}
    return Response(200, JSON, dumps(said))
