"""Which representation a client accepts: JSON, YAML or protobuf, and whether as the object itself, a Table or its metadata only.

Source: apiserver/pkg/endpoints/handlers/negotiation. What the client weighs most (`q=`) is looked at first, else the order of the
Accept header counts. A media type nobody serves is refused before the verb runs; an `as=` that nobody serves is passed over, and
refused when nothing is left. Protobuf is for those who take nothing else that is served: making it of JSON costs the server what it
would save them.
"""

from typing import NamedTuple

from pilothouse.model.caching import remembered
from pilothouse.model.errors import NotAcceptable

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
META_GROUP = "meta.k8s.io"

_OBJECT_TYPES = f"{JSON}, {YAML}, {PROTOBUF}"
_STREAM_TYPES = f"{JSON};stream=watch, {PROTOBUF};stream=watch"
MOST_CLAUSES = 100
_VIEWS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


class Accepted(NamedTuple):
    """media: JSON, YAML or PROTOBUF. view: "" for the object as it is, else one of the views; version: of meta.k8s.io."""

    media: str = JSON
    view: str = ""
    version: str = "v1"


_PLAIN = Accepted()


class Clause(NamedTuple):
    media: str
    parameters: dict[str, str]


@remembered(256)
def clauses(accept: str) -> tuple[Clause, ...]:
    """The media types of an Accept header, those with the highest `q=` first, in the client's order among equals.

    Of the first `MOST_CLAUSES`: strangers may send a header of tens of thousands, and it is read for errors, too.
    """
    found = []
    for part in accept.split(",", MOST_CLAUSES)[:MOST_CLAUSES]:
        media, *rest = [piece.strip() for piece in part.split(";")]
        pairs = dict(piece.partition("=")[::2] for piece in rest)
        if media:
            found.append(Clause(media.lower(), pairs))
    return tuple(sorted(found, key=_weight, reverse=True))


def _weight(clause: Clause) -> float:
    """Between 0 and 1; 1 when the client does not say or says no such number."""
    try:
        weight = float(clause.parameters.get("q", "1"))
    except ValueError:
        return 1.0
    return weight if 0 <= weight <= 1 else 1.0


@remembered(256)
def choose(accept: str, *, lists: bool = False, tables: bool = True, custom: bool = False, protobuf: bool = False) -> Accepted:
    """The representation of an object (or of a list). tables, protobuf: whether the resource can be shown so.

    custom: of a custom resource, for which no router of upstream's stands before its handler. Raises NotAcceptable.
    """
    if accept in ("", JSON, "*/*"):
        return _PLAIN
    refused_view = False
    for clause in clauses(accept):
        media = _media(clause.media, custom=custom)
        if not media:
            continue
        view = clause.parameters.get("as", "")
        if not view:
            return Accepted(media)
        version = clause.parameters.get("v", "")
        if _serves(view, version, clause.parameters.get("g", ""), lists, tables):
            return Accepted(media, view, version)
        refused_view = True
    if protobuf and _takes_protobuf(accept):
        return Accepted(PROTOBUF)
    if refused_view or custom:
        raise NotAcceptable(f"only the following media types are accepted: {_OBJECT_TYPES}")
    available = f"{_OBJECT_TYPES}, {_STREAM_TYPES}" if lists else _OBJECT_TYPES
    raise NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {available}", details={})


def _media(asked: str, *, custom: bool) -> str:
    """JSON, YAML or "" when it is neither."""
    if asked in (JSON, "*/*") or (custom and asked == "application/*"):
        return JSON
    return YAML if asked == YAML else ""


def _takes_protobuf(accept: str) -> bool:
    return any(clause.media == PROTOBUF and "as" not in clause.parameters for clause in clauses(accept))


def _serves(view: str, version: str, group: str, lists: bool, tables: bool) -> bool:
    if group != META_GROUP or version not in ("v1", "v1beta1") or view not in _VIEWS:
        return False
    if view == "Table":
        return tables
    return (view == "PartialObjectMetadataList") == lists


@remembered(256)
def choose_stream(accept: str, *, custom: bool = False, protobuf: bool = False) -> Accepted:
    """The representation of watch events; a watch is never YAML. custom, protobuf: as of `choose`."""
    if accept in ("", JSON, "*/*"):
        return _PLAIN
    refused = False
    for clause in clauses(accept):
        if _media(clause.media, custom=custom) == JSON:
            view = clause.parameters.get("as", "")
            if not view:
                return _PLAIN
            version = clause.parameters.get("v", "")
            if _serves(view, version, clause.parameters.get("g", ""), False, True):
                return Accepted(JSON, view, version)
        refused = refused or bool(_media(clause.media, custom=custom))
    if protobuf and _takes_protobuf(accept):
        return Accepted(PROTOBUF)
    if refused or custom:
        raise NotAcceptable(f"only the following media types are accepted: {_STREAM_TYPES}")
    available = f"{_OBJECT_TYPES}, {_STREAM_TYPES}"
    raise NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {available}", details={})


def has_already(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has the document of this entity tag."""
    return tag in [each.strip() for each in (if_none_match or "").split(",")]


def media_of_error(accept: str) -> str:
    """How a Status is written for a client whose Accept header may itself be the error."""
    media_types = [_media(clause.media, custom=True) for clause in clauses(accept)]
    return next((media for media in media_types if media), PROTOBUF if _takes_protobuf(accept) else JSON)
