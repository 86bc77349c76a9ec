"""A body becomes a value of the kind that the URL names: type checked, unknown fields found, defaults filled.

The value that comes out is a private copy without apiVersion and kind, in the shape the store keeps. Complaints follow
upstream's order: not an object of any kind, another kind, a wrong type, then what strictness makes of unknown and double fields.
"""

from collections.abc import Callable
from typing import Any

from pilothouse.engine.apiserver.request import body as bodies
from pilothouse.engine.apiserver.request import complaints
from pilothouse.engine.apiserver.request.body import Document, Unparsable
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource, ServedResources
from pilothouse.model.errors import BadRequest, Cause, Invalid
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.model.schema import Decoded, DecodeError

_SCHEME = "pkg/api/legacyscheme/scheme.go:30"
_GO_TYPE = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'


def document(request: ApiRequest, kind: str) -> Document:
    """The parsed body of a create or update; raises RequestTooLarge, UnsupportedMediaType, BadRequest."""
    if request.too_large:
        raise bodies.too_large()
    try:
        return bodies.of_request(request, bodies.media_type(request.content_type))
    except Unparsable as error:
        why = error.message
        if error.is_syntax:
            why = f"couldn't get version/kind; json parse error: {why}"
        raise bodies.unrecognized(kind, why, request.body) from error


def stated_type(found: Document, kind: str) -> tuple[str, str]:
    """(apiVersion, kind) as the body states them, "" where it does not; raises BadRequest."""
    value = found.value
    if value is None:
        return "", ""
    if not isinstance(value, dict):
        why = f"couldn't get version/kind; json parse error: json: cannot unmarshal {go_name(value)} into Go value of type {_GO_TYPE}"
        raise bodies.unrecognized(kind, why, found.raw)
    for name in ("apiVersion", "kind"):
        stated = value.get(name)
        if stated is not None and not isinstance(stated, str):
            why = f"json: cannot unmarshal {go_name(stated)} into Go struct field .{name} of type string"
            raise bodies.unrecognized(kind, f"couldn't get version/kind; json parse error: {why}", found.raw)
    version = value.get("apiVersion") or ""
    if version.count("/") > 1:
        raise bodies.unrecognized(kind, f"unexpected GroupVersion string: {version}", found.raw)
    return version, value.get("kind") or ""


def go_name(value: Any) -> str:
    """What Go's JSON decoder calls a value of this type."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "object"


def check_type(found: Document, wanted: Resource, table: ServedResources) -> None:
    """Raises BadRequest when the body is of another kind than `wanted`."""
    version, kind = stated_type(found, wanted.kind)
    if wanted.custom:
        _check_custom(found, version, kind, wanted)
        return
    version, kind = version or wanted.api_version, kind or wanted.kind
    if (version, kind) == (wanted.api_version, wanted.kind):
        return
    group, _, short = version.rpartition("/")
    known = table.by_kind(group, short, kind) is not None or (version, kind) == ("v1", "Status")
    why = f"converting ({short}.{kind}) to ({wanted.group.partition('.')[0] or 'core'}.{wanted.kind}): unknown conversion"
    if not known:
        why = f'no kind "{kind}" is registered for version "{version}" in scheme "{_SCHEME}"'
    raise BadRequest(f'{kind} in version "{wanted.version if not known else short}" cannot be handled as a {wanted.kind}: {why}')


def _check_custom(found: Document, version: str, kind: str, wanted: Resource) -> None:
    """A custom resource has to state its type in full. Raises BadRequest, Invalid."""
    if not kind:
        text = found.raw.decode("utf-8", "replace") or "{}"
        raise bodies.unrecognized(wanted.kind, f"Object 'Kind' is missing in '{text}'", found.raw)
    if version != wanted.api_version:
        raise BadRequest(f"the API version in the data ({version}) does not match the expected API version ({wanted.api_version})")
    if kind != wanted.kind:
        metadata = found.value.get("metadata")
        name = metadata.get("name", "") if isinstance(metadata, dict) else ""
        cause = Cause("kind", "FieldValueInvalid", f'Invalid value: "{kind}": must be {wanted.kind}')
        raise Invalid.of(kind, name, [cause], wanted.group)


def cannot_handle(resource: Resource, why: str) -> BadRequest:
    return BadRequest(f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}')


def value_of(request: ApiRequest, found: Document, resource: Resource, decode: Callable[[Any], Decoded], strictness: str) -> Object:
    """The typed value of a parsed body, without apiVersion and kind, not defaulted; raises BadRequest."""
    try:
        decoded = decode(found.value if found.value is not None else {})
    except DecodeError as error:
        raise cannot_handle(resource, error.message) from error
    made = complaints.of_untyped(found.doubts, decoded.unknown) if resource.custom else complaints.of_typed(found, decoded.unknown)
    if made.texts and strictness == "Strict":
        raise cannot_handle(resource, made.sentence())
    if strictness != "Ignore":
        made.warn(request)
    return without_type(decoded.value)


def without_type(value: Object) -> Object:
    """A value as the store keeps it: without its type, with metadata."""
    value.pop("apiVersion", None)
    value.pop("kind", None)
    meta = value.get("metadata")
    if not meta:
        value["metadata"] = {}
    else:
        meta.pop("selfLink", None)
    return value


def new_value(request: ApiRequest, served: ServedResource, table: ServedResources, strictness: str) -> Object:
    """The value that a create or an update brings, defaulted, in the shape the store keeps."""
    found = document(request, served.resource.kind)
    check_type(found, served.resource, table)
    value = value_of(request, found, served.resource, served.decode, strictness)
    if served.kind.to_stored is not None:
        value = served.kind.to_stored(value)
    served.kind.default(value)
    return value
