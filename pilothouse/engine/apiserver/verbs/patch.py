"""Change an object by JSON Patch, merge patch or strategic merge patch.

A patch is applied to the object as the URL's version shows it, the outcome is decoded like any body, and then takes the same way
as an update. Only a patch that itself states a resourceVersion is bound to one; others are applied anew when somebody was quicker.
"""

from collections.abc import Callable
from typing import Any

from pilothouse.client.transport import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from pilothouse.engine.apiserver.answer import ObjectResponse, Stored
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import body as bodies
from pilothouse.engine.apiserver.request import complaints, decode
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.body import Document, Unparsable
from pilothouse.engine.apiserver.request.negotiate import JSON
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import apply as applies
from pilothouse.engine.apiserver.verbs.get import check_name
from pilothouse.engine.apiserver.verbs.making import check_identity, write_request
from pilothouse.engine.apiserver.write.update import Update
from pilothouse.model.errors import ApiError, BadRequest, Cause, Invalid, RequestTooLarge, UnsupportedMediaType, shortened
from pilothouse.model.json import Object, dumps
from pilothouse.model.patch import PatchError, check_json_patch, json_patch, merge_patch, strategic_merge_patch
from pilothouse.model.schema import Decoded, DecodeError, Schema

_MAX_OPERATIONS = 10_000

Apply = Callable[[Any], Any]
"""From the shown object to the patched one; raises ApiError."""


async def patch(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    check_name(request.name)
    if _media_type(request) == APPLY_PATCH:
        return await applies.apply(backend, request, served)
    chosen = media(request, custom=served.custom)
    dry_run, strictness, _ = queries.patch_options(request.query, is_apply=False)
    change = document(request)
    apply = application(chosen, change, served.schema)

    def make(record: Stored) -> Object:
        return _patched(request, served, record, apply, change, strictness)

    outcome = await backend.writes.write(Update(write_request(request, served, dry_run=dry_run), make))
    return ObjectResponse(served, outcome.record)


def _media_type(request: ApiRequest) -> str:
    return request.content_type.partition(";")[0].strip()


def media(request: ApiRequest, *, custom: bool) -> str:
    """The patch format; custom resources know no strategic merge. Raises UnsupportedMediaType.

    What a built-in kind does not take, upstream's router refuses before its handler sees it, and says less.
    """
    stated = _media_type(request)
    kinds = [JSON_PATCH, MERGE_PATCH] if custom else [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH]
    if stated in kinds:
        return stated
    if not custom:
        raise UnsupportedMediaType("415: Unsupported Media Type", details={})
    accepted = ", ".join([*kinds, APPLY_PATCH])
    raise UnsupportedMediaType(f"the body of the request was in an unknown format - accepted media types include: {accepted}")


def document(request: ApiRequest) -> Document:
    """The parsed patch; raises BadRequest, RequestTooLarge."""
    if request.too_large:
        raise bodies.too_large()
    try:
        return bodies.of_request(request, JSON)
    except Unparsable as error:
        raise BadRequest(f"error decoding patch: {error.message}") from error


def application(chosen: str, found: Document, schema: Callable[[], Schema]) -> Apply:
    """How this patch is applied; raises BadRequest for a change that is no such patch."""
    change = found.value
    if chosen == JSON_PATCH:
        return _json_patch(found)
    if not isinstance(change, dict):
        if change is None:
            raise BadRequest("Invalid JSON Patch")
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {decode.go_name(change)} into Go value of type map[string]interface {{}}"
        )
    if chosen == MERGE_PATCH:
        return lambda shown: merge_patch(shown, change)
    return lambda shown: _strategic(shown, change, schema())


def _json_patch(found: Document) -> Apply:
    document = found.value
    if document is None:
        return lambda shown: shown
    if not isinstance(document, list):
        raise BadRequest(f"error decoding patch: json: cannot unmarshal {decode.go_name(document)} into Go value of type jsonpatch.Patch")
    if len(document) > _MAX_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}, got {len(document)}"
        raise RequestTooLarge(text)
    for operation in document:
        if not isinstance(operation, dict):
            what = decode.go_name(operation)
            raise BadRequest(f"error decoding patch: json: cannot unmarshal {what} into Go value of type handlers.jsonPatchOp")
    try:
        unknown = check_json_patch(document)
    except PatchError as error:
        raise BadRequest(error.message) from error
    found.doubts = [f"json patch {text}" for text in complaints.of_typed(found, unknown).texts]
    return lambda shown: _apply_operations(shown, document)


def _apply_operations(shown: Any, document: Any) -> Any:
    try:
        return json_patch(shown, document)
    except PatchError as error:
        # Upstream tells no more than this; the reason is worth more to whoever wrote the patch.
        text = "the server rejected our request due to an error in our request"
        raise Invalid(text, details={}) from error


def _strategic(shown: Any, document: Any, schema: Schema) -> Any:
    try:
        return strategic_merge_patch(shown, document, schema)
    except PatchError as error:
        if error.code == 400:
            raise BadRequest(error.message) from error
        raise ApiError(error.message, code=error.code, reason="") from error


def _patched(request: ApiRequest, served: ServedResource, record: Stored, apply: Apply, found: Document, strictness: str) -> Object:
    outcome = apply(served.typed(record.value))
    decoded = read(request, served.decode, outcome, found, served.resource.kind, strictness)
    _check_type(served, decoded, found.value)
    value = decode.without_type(decoded)
    if served.kind.to_stored is not None:
        value = served.kind.to_stored(value)
    served.kind.default(value)
    _check_made(request, served, value, record)
    return value


def read(request: ApiRequest, typed: Callable[[Any], Decoded], outcome: Any, found: Document, kind: str, strictness: str) -> Object:
    """The outcome of a patch as an object of the kind. found: the patch. Raises Invalid for one that is none, or not strictly."""
    if not isinstance(outcome, dict):
        raise unreadable(found.value, f"json: cannot unmarshal {decode.go_name(outcome)} into Go value of type {kind}")
    try:
        decoded = typed(outcome)
    except DecodeError as error:
        raise unreadable(found.value, error.message) from error
    made = complaints.of_untyped(found.doubts, decoded.unknown)
    if made.texts and strictness == "Strict":
        raise unreadable(found.value, made.sentence())
    if strictness != "Ignore":
        made.warn(request)
    value: Object = decoded.value
    return value


def unreadable(document: Any, why: str) -> Invalid:
    """The 422 about an outcome that is no object of the kind."""
    text = shortened(dumps(document).decode()).replace('"', '\\"')
    return Invalid.of("", "", [Cause("patch", "FieldValueInvalid", f'Invalid value: "{text}": {why}')])


def _check_type(served: ServedResource, value: Object, document: Any) -> None:
    resource = served.resource
    stated = value.get("apiVersion") or "", value.get("kind") or ""
    if stated != (resource.api_version, resource.kind):
        raise unreadable(document, f"{stated[0]}, Kind={stated[1]} is not {resource.api_version}, Kind={resource.kind}")


def _check_made(request: ApiRequest, served: ServedResource, value: Object, record: Stored) -> None:
    metadata, stored = value["metadata"], record.value["metadata"]
    check_identity(request, served, value)
    version = stored.get("resourceVersion")
    if metadata.get("resourceVersion") == version and served.kind.unconditional_update:
        metadata.pop("resourceVersion", None)
    if metadata.get("uid") != stored["uid"] and metadata.get("uid"):
        text = f'Invalid value: "{metadata["uid"]}": field is immutable'
        raise served.invalid(request.name, [Cause("metadata.uid", "FieldValueInvalid", text)] * 2)
