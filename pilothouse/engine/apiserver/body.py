"""Request bodies: bytes to a JSON value, with the doubts that upstream's decoder voices on the way.

A body is read as JSON (orjson first, which is strict; what it refuses but Go's decoder takes is read again) or as YAML.
Duplicate keys are found without slowing the common case: a document that re-encodes to the same number of quotation marks has none.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import yaml

from pilothouse.engine.apiserver.negotiate import JSON, PROTOBUF, YAML
from pilothouse.model.errors import BadRequest, RequestTooLarge, UnsupportedMediaType
from pilothouse.model.json import JSONError, dumps, loads

LIMIT_BYTES = 3 * 1024 * 1024

_PLACES = (
    ("unexpected content after", "after top-level value"),
    ("unexpected control character", "in string literal"),
    ("unexpected character, expected a string key", "looking for beginning of object key string"),
    ("number with leading zero", "after object key:value pair"),
)


class Unparsable(ValueError):
    """message: in the words of Go's encoding/json."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(slots=True)
class Document:
    """A parsed body. duplicates: paths of keys that came twice. raw: for messages that show the body."""

    value: Any
    raw: bytes = b""
    duplicates: list[str] = field(default_factory=list)


def too_large() -> RequestTooLarge:
    return RequestTooLarge(f"Request entity too large: limit is {LIMIT_BYTES}")


def media_type(content_type: str) -> str:
    """The media type of a create or update body; raises UnsupportedMediaType."""
    media = content_type.partition(";")[0].strip().lower()
    if media in ("", JSON):
        return JSON
    if media in (YAML, PROTOBUF):
        return media
    accepted = f"{JSON}, {YAML}, {PROTOBUF}"
    raise UnsupportedMediaType(f"the body of the request was in an unknown format - accepted media types include: {accepted}")


def read(body: Any, media: str) -> Document:
    """Parse a body of a known media type; a value that is no bytes came from this process and is taken as it is."""
    if not isinstance(body, bytes):
        return Document(body)
    if media == YAML:
        return Document(read_yaml(body), body)
    if media == PROTOBUF:
        raise Unparsable("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    return read_json(body)


def read_json(body: bytes) -> Document:
    """Raises Unparsable."""
    try:
        value = loads(body)
    except JSONError as error:
        return _read_leniently(body, error)
    if isinstance(value, dict | list) and body.count(b'"') != dumps(value).count(b'"'):
        return Document(value, body, _duplicates(body))
    return Document(value, body)


def _read_leniently(body: bytes, error: JSONError) -> Document:
    """What Go takes and orjson does not: broken UTF-8, lone surrogates and deep nesting."""
    try:
        text = body.decode(errors="replace")
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        raise Unparsable(_explain(body, error)) from None
    cleaned, found = _clean(value), list[str]()
    _collect(value, "", found)
    return Document(cleaned, body, found)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


class _Pairs(dict[str, Any]):
    """An object that remembers which of its keys came more than once."""

    __slots__ = ("twice",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice: list[str] = []
        if len(pairs) != len(self):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen and key not in self.twice:
                    self.twice.append(key)
                seen.add(key)


def _duplicates(body: bytes) -> list[str]:
    try:
        value = json.loads(body, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    _collect(value, "", found)
    return found


def _collect(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        prefix = f"{path}." if path else ""
        found.extend(f"{prefix}{key}" for key in value.twice)
        for key, inner in value.items():
            _collect(inner, f"{prefix}{key}", found)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _collect(inner, f"{path}[{index}]", found)


def _clean(value: Any) -> Any:
    """Plain dicts and text without lone surrogates, which JSON encoders refuse."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if not value.isascii() else value
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(inner) for key, inner in value.items()}
    return value


def _explain(body: bytes, error: JSONError) -> str:
    """Go's words for the place where orjson stopped."""
    if error.msg.startswith("depth limit"):
        opened = "[" if body.count(b"[") > body.count(b"{") else "{"
        return f"invalid character '{opened}' exceeded max depth"
    text = body.decode("utf-8", "replace")
    if error.pos >= len(text) or error.msg.startswith("unexpected end"):
        return "unexpected end of JSON input"
    if not body[:1].isascii():
        return f"invalid character '{chr(body[0])}' looking for beginning of value"
    character = text[error.pos].replace("\t", "\\t").replace("\n", "\\n")
    place = next((words for start, words in _PLACES if error.msg.startswith(start)), "looking for beginning of value")
    return f"invalid character '{character}' {place}"


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: times stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(body: bytes) -> Any:
    """Raises Unparsable."""
    try:
        value = yaml.load(body, Loader=_Loader)  # noqa: S506  (a SafeLoader)
        return loads(dumps(_string_keys(value)))
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise Unparsable(f"error converting YAML to JSON: {error}") from error


def _string_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(key): _string_keys(inner) for key, inner in value.items()}
    return [_string_keys(inner) for inner in value] if isinstance(value, list) else value


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


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
