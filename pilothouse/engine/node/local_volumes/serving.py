"""What the control plane asks of a node's volumes, over HTTP.

    PUT    /volumes/NAME?sizeBytes=N[&mode=MODE][&source=NAME]   makes the volume or has it grow; answers with what there is. Without a
                                         mode it is not made, and 404 where it is not there
    DELETE /volumes/NAME                 removes it, 409 while somebody uses it
    GET    /volumes                      {"new": names of the volumes that nobody has confirmed}
    PUT    /volumes/NAME/confirmed       the cluster has a PersistentVolume of it
    PUT    /volumes/NAME/limits?iops=N&bytesPerSecond=N   how much it may be read and written; 0 for as much as one likes
    PUT    /volumes/snapshots/NAME?volume=NAME   takes it; answers with what there is
    GET    /volumes/snapshots/NAME
    DELETE /volumes/snapshots/NAME

All may be repeated. A copy that takes long is answered with 202 and {"copiedBytes": N}: it goes on, and is to be asked for again.
Failures are Status objects.
"""

from collections.abc import Sequence
from urllib.parse import parse_qs

from pilothouse.engine.node.local_volumes.copying import Progress
from pilothouse.engine.node.local_volumes.snapshots import LocalSnapshots, Taken
from pilothouse.engine.node.local_volumes.store import LocalVolumes, Made, Wanted
from pilothouse.model.digits import natural
from pilothouse.model.errors import ApiError, BadRequest, MethodNotAllowed, NotFound
from pilothouse.model.io_limits import IoLimits
from pilothouse.model.json import Object, dumps
from pilothouse.model.volumes import BLOCK, FILESYSTEM
from pilothouse.wire.messages import Request, Response

JSON = (("content-type", "application/json"),)
WORD = "volumes"
SNAPSHOTS = "snapshots"


async def answer(volumes: LocalVolumes, snapshots: LocalSnapshots, request: Request, words: Sequence[str]) -> Response:
    """words: of the decoded path."""
    try:
        if words[1:2] == [SNAPSHOTS]:
            return await _of_snapshot(snapshots, request, words[2:])
        return await _of_volume(volumes, request, words[1:])
    except ApiError as error:
        return Response(error.code, JSON, dumps(error.to_status()))


async def _of_volume(volumes: LocalVolumes, request: Request, words: Sequence[str]) -> Response:
    """words: after the first."""
    match request.method, *words:
        case "GET", *rest if not rest:
            return _said({"new": await volumes.unconfirmed()})
        case "PUT", name, "confirmed":
            await volumes.confirm(name)
            return _said({})
        case "PUT", name, "limits":
            await volumes.limit(name, _limits(parse_qs(request.query)))
            return _said({})
        case "PUT", name:
            made = await volumes.ensure(name, _wanted(parse_qs(request.query)))
            return _copying(made) if isinstance(made, Progress) else _said(shown(made))
        case "DELETE", name:
            await volumes.remove(name)
            return _said({})
    if len(words) != 1:
        raise NotFound(f"the node serves no {request.path}")
    raise MethodNotAllowed("volumes are made by PUT and removed by DELETE")


def _wanted(query: dict[str, list[str]]) -> Wanted:
    def text(name: str) -> str:
        return (query.get(name) or [""])[0]

    size_bytes, mode = natural(text("sizeBytes")), text("mode")
    if not size_bytes:
        raise BadRequest("sizeBytes is a number above zero")
    if mode not in ("", FILESYSTEM, BLOCK):
        raise BadRequest(f"mode is {FILESYSTEM} or {BLOCK}")
    return Wanted(size_bytes, mode, text("source"))


def _limits(query: dict[str, list[str]]) -> IoLimits:
    iops, bytes_per_s = (natural((query.get(name) or [""])[0]) for name in ("iops", "bytesPerSecond"))
    if iops is None or bytes_per_s is None:
        raise BadRequest("iops and bytesPerSecond are numbers, 0 for no limit")
    return IoLimits(iops, bytes_per_s)


async def _of_snapshot(snapshots: LocalSnapshots, request: Request, words: Sequence[str]) -> Response:
    """words: after the second."""
    if len(words) != 1:
        raise NotFound(f"the node serves no {request.path}")
    name = words[0]
    match request.method:
        case "GET":
            return _said(shown_snapshot(await snapshots.look(name)))
        case "PUT":
            taken = await snapshots.ensure(name, (parse_qs(request.query).get("volume") or [""])[0])
            return _copying(taken) if isinstance(taken, Progress) else _said(shown_snapshot(taken))
        case "DELETE":
            await snapshots.remove(name)
            return _said({})
    raise MethodNotAllowed("snapshots are taken by PUT, looked at by GET and removed by DELETE")


def shown(made: Made) -> Object:
    return {"sizeBytes": made.size_bytes, "path": str(made.path), "enforcement": made.enforcement, "isPending": made.is_pending}


def shown_snapshot(taken: Taken) -> Object:
    return {"sizeBytes": taken.size_bytes, "takenNs": taken.taken_ns, "mode": taken.mode, "volume": taken.volume}


def _said(what: Object) -> Response:
    return Response(200, JSON, dumps(what))


def _copying(progress: Progress) -> Response:
    return Response(202, JSON, dumps({"copiedBytes": progress.copied_bytes}))
