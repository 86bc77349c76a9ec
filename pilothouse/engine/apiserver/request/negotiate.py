"""Which representation a client accepts: JSON or YAML, and whether as the object itself, a Table or its metadata only.

Source: apiserver/pkg/endpoints/handlers/negotiation. q-values do not matter, the order of the Accept header does. A media type
nobody serves is refused before the verb runs; an `as=` that nobody serves is passed over, and refused when nothing is left.
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
_VIEWS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


class Accepted(NamedTuple):
    """media: JSON or YAML. view: "" for the object as it is, else one of the views; version: of meta.k8s.io."""

    media: str = JSON
    view: str = ""
    version: str = "v1"


_PLAIN = Accepted()


class Clause(NamedTuple):
    media: str
    parameters: dict[str, str]


@remembered(256)
def clauses(accept: str) -> tuple[Clause, ...]:
    """The media types of an Accept header in the client's order."""
    found = []
    for part in accept.split(","):
        media, *rest = [piece.strip() for piece in part.split(";")]
        pairs = dict(piece.partition("=")[::2] for piece in rest)
        if media:
            found.append(Clause(media.lower(), pairs))
    return tuple(found)


@remembered(256)
def choose(accept: str, *, lists: bool = False, tables: bool = True) -> Accepted:
    """The representation of an object (or of a list). tables: whether the resource can be shown as a Table.

    Raises NotAcceptable.
    """
    if accept in ("", JSON, "*/*"):
        return _PLAIN
    refused_view = False
    for clause in clauses(accept):
        media = _media(clause.media)
        if not media:
            continue
        view = clause.parameters.get("as", "")
        if not view:
            return Accepted(media)
        version = clause.parameters.get("v", "")
        if _serves(view, version, clause.parameters.get("g", ""), lists, tables):
            return Accepted(media, view, version)
        refused_view = True
    if refused_view:
        raise NotAcceptable(f"only the following media types are accepted: {_OBJECT_TYPES}")
    available = f"{_OBJECT_TYPES}, {_STREAM_TYPES}" if lists else _OBJECT_TYPES
    raise NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {available}", details={})


def _media(asked: str) -> str:
    """JSON, YAML or "" when we have neither. A client that asks for protobuf first names JSON as its second choice."""
    if asked in (JSON, "*/*", "application/*"):
        return JSON
    return YAML if asked == YAML else ""


def _serves(view: str, version: str, group: str, lists: bool, tables: bool) -> bool:
    if group != META_GROUP or version not in ("v1", "v1beta1") or view not in _VIEWS:
        return False
    if view == "Table":
        return tables
    return (view == "PartialObjectMetadataList") == lists


@remembered(256)
def choose_stream(accept: str) -> Accepted:
    """The representation of watch events; a watch is never YAML."""
    if accept in ("", JSON, "*/*"):
        return _PLAIN
    refused = False
    for clause in clauses(accept):
        if _media(clause.media) == JSON:
            view = clause.parameters.get("as", "")
            if not view:
                return _PLAIN
            version = clause.parameters.get("v", "")
            if _serves(view, version, clause.parameters.get("g", ""), False, True):
                return Accepted(JSON, view, version)
        refused = refused or bool(_media(clause.media))
    if refused:
        raise NotAcceptable(f"only the following media types are accepted: {_STREAM_TYPES}")
    available = f"{_OBJECT_TYPES}, {_STREAM_TYPES}"
    raise NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {available}", details={})


def media_of_error(accept: str) -> str:
    """How a Status is written for a client whose Accept header may itself be the error."""
    return next((media for media in (_media(clause.media) for clause in clauses(accept)) if media), JSON)
