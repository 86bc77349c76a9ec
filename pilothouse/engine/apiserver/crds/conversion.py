"""Objects of one version become those of another, by the webhook of their definition: what is asked, and which answers are taken.

Upstream's failures word for word. Source: apiextensions-apiserver pkg/apiserver/conversion/webhook_converter.go.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.engine.apiserver.kinds import metadata as rules_of_metadata
from pilothouse.engine.apiserver.kinds.crd.spec import REVIEW_VERSIONS
from pilothouse.engine.apiserver.webhooks.failures import CallFailed
from pilothouse.engine.apiserver.webhooks.target import WebhookTarget
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object, copy

GROUP = "apiextensions.k8s.io"
TIMEOUT_S = 30.0
_KIND = "ConversionReview"
_SAME = (("name", "name"), ("namespace", "namespace"), ("uid", "UID"))
_GO_TYPES = {str: "string", bool: "bool", int: "int64", float: "float64", list: "[]interface {}", dict: "map[string]interface {}"}


class Caller(Protocol):
    """The client for webhooks."""

    async def post(self, target: WebhookTarget, document: Object, *, timeout_s: float = TIMEOUT_S) -> Any: ...


class WebhookConversion:
    """Of one definition. config: its `spec.conversion.webhook`, validated."""

    def __init__(self, config: Object, caller: Caller) -> None:
        self._target = WebhookTarget.of(config["clientConfig"])
        self._version = next((version for version in config["conversionReviewVersions"] if version in REVIEW_VERSIONS), "")
        self._caller = caller

    async def convert(self, objects: Sequence[Object], version: str) -> list[Object]:
        """objects: complete, all of the same kind and of another version than wanted. version: `group/version`.

        One call for all of them. Raises ApiError 500.
        """
        if not self._version:
            raise _failed("no supported conversion review versions")
        number = str(uuid.uuid4())
        document: Object = {
            "kind": _KIND,
            "apiVersion": f"{GROUP}/{self._version}",
            "request": {"uid": number, "desiredAPIVersion": version, "objects": list(objects)},
        }
        what = f"conversion webhook for {objects[0]['apiVersion']}, Kind={objects[0]['kind']}"
        try:
            answer = await self._caller.post(self._target, document, timeout_s=TIMEOUT_S)
            found = _converted(answer, self._version, number)
        except (CallFailed, _Refused) as failure:
            raise _failed(f"{what} failed: {failure}") from failure
        if len(found) != len(objects):
            raise _failed(f"{what} returned {len(found)} objects, expected {len(objects)}")
        pairs = enumerate(zip(objects, found, strict=True))
        return [_taken(_Words.of(what, at, len(found)), original, each, version) for at, (original, each) in pairs]


class _Refused(Exception):
    """The answer is none, or says that nothing was converted."""


def _converted(answer: Any, version: str, number: str) -> list[Any]:
    """The objects of an answer. Raises _Refused."""
    answer = answer if isinstance(answer, dict) else {}
    response = answer.get("response")
    if version == "v1" and (answer.get("apiVersion"), answer.get("kind")) != (f"{GROUP}/v1", _KIND):
        got = f"{answer.get('apiVersion') or ''}, Kind={answer.get('kind') or ''}"
        raise _Refused(f"expected webhook response of {GROUP}/v1, Kind={_KIND}, got {got}")
    if not isinstance(response, dict):
        raise _Refused("no response provided")
    if version == "v1" and response.get("uid") != number:
        raise _Refused(f'expected response.uid="{number}", got "{response.get("uid") or ""}"')
    result = response.get("result")
    result = result if isinstance(result, dict) else {}
    if result.get("status") != "Success":
        raise _Refused(result.get("message") or f"response.result.status was '{result.get('status') or ''}', not 'Success'")
    found = response.get("convertedObjects")
    return found if isinstance(found, list) else []


@dataclass(frozen=True, slots=True)
class _Words:
    """How failures about one object of an answer begin; upstream words those about a single object in its own way."""

    type: str
    identity: str
    metadata: str

    @classmethod
    def of(cls, what: str, at: int, count: int) -> "_Words":
        if count == 1:
            return cls(f"{what} returned invalid object at index 0", f"{what} returned invalid object", f"{what} returned invalid metadata")
        invalid = f"{what} returned invalid converted object at index {at}"
        return cls(invalid, invalid, f"{what} returned invalid metadata in object at index {at}")


def _taken(words: _Words, original: Object, converted: Any, version: str) -> Object:
    """The converted object with the metadata of the original, of which only labels and annotations may differ. Raises ApiError 500."""
    if not isinstance(converted, dict):
        raise _failed(f"{words.type}: Object 'Kind' is missing")
    if converted.get("apiVersion") != version:
        raise _failed(f"{words.type}: invalid groupVersion (expected {version}, received {converted.get('apiVersion') or ''})")
    if converted.get("kind") != original["kind"]:
        raise _failed(f"{words.type}: invalid kind (expected {original['kind']}, received {converted.get('kind') or ''})")
    if why := _changed(original, converted):
        raise _failed(f"{words.identity}: {why}")
    try:
        return converted | {"metadata": _metadata(original, converted)}
    except _Refused as refusal:
        raise _failed(f"{words.metadata}: {refusal}") from refusal


def _failed(message: str) -> ApiError:
    return ApiError(message, code=500, reason="")


def _go_type(value: Any) -> str:
    return _GO_TYPES.get(type(value), "<nil>")


def _changed(original: Object, converted: Object) -> str:
    """What of the identity is not what it was."""
    before, after = original.get("metadata") or {}, converted.get("metadata")
    after = after if isinstance(after, dict) else {}
    for name, shown in _SAME:
        one, other = before.get(name) or "", after.get(name) or ""
        if one != other:
            return f"must have the same {shown}: {one} != {other}"
    return ""


def _metadata(original: Object, converted: Object) -> Object:
    """Raises _Refused."""
    if "metadata" not in converted:
        raise _Refused("missing metadata in converted object")
    answered = converted["metadata"]
    if not isinstance(answered, dict):
        raise _Refused(f"invalid metadata of type {_go_type(answered)} in converted object")
    kept: Object = copy(original.get("metadata") or {})
    for name in ("labels", "annotations"):
        found = answered.get(name)
        if found is None:
            kept.pop(name, None)
            continue
        _check_texts(name, found)
        if found != kept.get(name):
            _check_new(name, found)
        kept[name] = found
    return kept


def _check_texts(name: str, found: Any) -> None:
    if not isinstance(found, dict):
        raise _Refused(f"invalid metadata.{name} of type {_go_type(found)} in converted object")
    for key, value in found.items():
        if not isinstance(value, str):
            raise _Refused(f"metadata.{name}[{key}] must be a string, but is {_go_type(value)} in converted object")


def _check_new(name: str, found: dict[str, str]) -> None:
    if name == "labels":
        causes = rules_of_metadata.labels(found, "metadata.labels")
    else:
        causes = rules_of_metadata.annotations(found, "metadata.annotation")
    if causes:
        shown = [f"{cause.field}: {cause.message}" for cause in causes]
        raise _Refused(shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]")
