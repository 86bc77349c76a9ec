"""Request bodies: of which media type they are, parsed, and complained about in upstream's words."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from pilothouse.aio.beside import Beside
from pilothouse.client.transport import APPLY_PATCH, JSON_PATCH
from pilothouse.engine.apiserver.request.negotiate import JSON, PROTOBUF, YAML
from pilothouse.model import weight
from pilothouse.model.body import SyntaxProblem, YAMLProblem, loads_strict, loads_yaml
from pilothouse.model.depth import TOO_DEEP, is_too_deep, may_be_too_deep
from pilothouse.model.errors import BadRequest, RequestTooLarge, UnsupportedMediaType
from pilothouse.model.protobuf import ProtobufError, decode
from pilothouse.model.syntax import DUPLICATES_MAX

LIMIT_BYTES = 3 * 1024 * 1024
_LARGE_BYTES = 128 * 1024
_LARGE_YAML_BYTES = 4 * 1024
"""YAML takes some five microseconds a byte, JSON a hundredth of that."""
_COPIED_PARTS = 100_000
_AS_YAML = (YAML, APPLY_PATCH)


class Unparsable(ValueError):
    """message: in the words of Go's encoding/json; is_syntax: False when the trouble is not the text's."""

    def __init__(self, message: str, *, is_syntax: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.is_syntax = is_syntax


@dataclass(slots=True)
class Document:
    """A parsed body. doubts: what strictness complains of, keys that came twice. raw: for messages that show the body.

    duplicates: the paths of the fields that came twice, for JSON; YAML names lines.
    """

    value: Any
    raw: bytes = b""
    doubts: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)


class Body(Protocol):
    """The part of a request that parsing is about. parsed: what `prepare` made of it."""

    body: Any
    parsed: "Document | Unparsable | None"

    @property
    def content_type(self) -> str: ...


def too_large() -> RequestTooLarge:
    return RequestTooLarge(f"Request entity too large: limit is {LIMIT_BYTES}")


def media_type(content_type: str) -> str:
    """The media type of a create or update body; raises UnsupportedMediaType."""
    stated, *parameters = content_type.split(";")
    media = stated.strip().lower()
    if all("=" in each for each in parameters if each.strip()):
        if media in ("", JSON):
            return JSON
        if media in (YAML, PROTOBUF):
            return media
    accepted = f"{JSON}, {YAML}, {PROTOBUF}"
    raise UnsupportedMediaType(f"the body of the request was in an unknown format - accepted media types include: {accepted}")


def read(body: Any, media: str) -> Document:
    """Parse a body of a known media type; a value that is no bytes came from this process and is taken as it is. Raises Unparsable."""
    if not isinstance(body, bytes):
        return Document(body)
    found = _parsed(body, media)
    if (media != JSON or may_be_too_deep(body)) and is_too_deep(found.value):
        raise Unparsable(TOO_DEEP, is_syntax=False)
    return found


def _parsed(body: bytes, media: str) -> Document:
    if media in _AS_YAML:
        return read_yaml(body)
    if media == PROTOBUF:
        try:
            return Document(decode(body)[2], body)
        except ProtobufError as error:
            raise Unparsable(error.message, is_syntax=False) from error
    return read_json(body)


def read_json(body: bytes) -> Document:
    """Raises Unparsable."""
    try:
        value, duplicates = loads_strict(body)
    except SyntaxProblem as error:
        raise Unparsable(str(error)) from None
    return Document(value, body, [f'duplicate field "{path}"' for path in duplicates], duplicates)


def read_yaml(body: bytes) -> Document:
    """Raises Unparsable."""
    try:
        value, doubts = loads_yaml(body)
    except (YAMLProblem, ValueError) as error:  # ValueError: a number of more digits than Python reads.
        raise Unparsable(f"error converting YAML to JSON: {error}") from error
    return Document(value, body, doubts[:DUPLICATES_MAX])


def of_request(request: Body, media: str) -> Document:
    """The parsed body of a request, ready made where `prepare` has been at work. Raises Unparsable."""
    if isinstance(request.parsed, Unparsable):
        raise request.parsed
    return read(request.body, media) if request.parsed is None else request.parsed


async def prepare(request: Body, beside: Beside) -> None:
    """Parse a body that would keep the event loop busy beside it."""
    media = request.content_type.partition(";")[0].strip().lower()
    if not isinstance(request.body, bytes) or len(request.body) < (_LARGE_YAML_BYTES if media in _AS_YAML else _LARGE_BYTES):
        return
    body = request.body
    try:
        request.parsed = await beside.run(lambda: read(body, media))
    except Unparsable as error:
        request.parsed = error


def parts_of(request: Body) -> int:
    """About how many values the body holds; 0 for one of this process.

    A JSON patch that copies and a YAML text with aliases make much of little: these count as large.
    """
    body = request.body
    if not isinstance(body, bytes):
        return 0
    media = request.content_type.partition(";")[0].strip().lower()
    if media in _AS_YAML:
        return len(body) if b"*" in body else weight.parts(body) + body.count(b"\n")
    if media == PROTOBUF:
        return len(body) // 2
    return _COPIED_PARTS if media == JSON_PATCH and b"copy" in body else weight.parts(body)


def shown(raw: bytes) -> str:
    """A body for a message: the start of a JSON object, or hexadecimal for anything else."""
    if not raw:
        return "<empty>"
    if raw.lstrip()[:1] == b"{":
        text = raw.decode("utf-8", "replace")
        return text if len(text) <= 30 else f"{text[:30]} ..."
    text = raw.hex()
    return text if len(text) <= 60 else f"{text[:60]} ..."


def unrecognized(kind: str, why: str, raw: bytes) -> BadRequest:
    return BadRequest(f"the object provided is unrecognized (must be of type {kind}): {why} ({shown(raw)})")
