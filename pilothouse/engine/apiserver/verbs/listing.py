"""List options: selectors, pages, and which version of the collection is asked for.

Source: apimachinery/pkg/apis/meta/internalversion/validation; apiserver/pkg/storage/continue.go (the continue token is
readable by upstream's clients, which only ever hand it back).
"""

import base64
from dataclasses import dataclass
from typing import Any

from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.query import Query
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.store.record import Record
from pilothouse.engine.store.watches import Field, Selection
from pilothouse.model.errors import ApiError, BadRequest, Cause, echo
from pilothouse.model.json import JSONError, Object, dumps, loads
from pilothouse.model.selector import FieldSelector, Requirement, Selector, SelectorError, parse_fields, parse_labels

_ENCODING = "meta.k8s.io/v1"
_MATCH = "resourceVersionMatch"
_NEWEST = -1
"""The revision of a token that goes on in whatever state there is by then."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which objects are meant. labels, fields: None when everything matches; marks: what the JSON of each that matches contains."""

    labels: Selector | None = None
    fields: FieldSelector | None = None
    marks: tuple[bytes, ...] = ()

    @property
    def is_everything(self) -> bool:
        return self.labels is None and self.fields is None

    def matches(self, served: ServedResource, value: Object) -> bool:
        if self.labels is not None and not self.labels.matches(value["metadata"].get("labels") or {}):
            return False
        return self.fields is None or self.fields.matches(served.kind.selectable(value))

    def finds(self, served: ServedResource, record: Record) -> bool:
        """The same of a stored object; one that cannot match is not even decoded."""
        return all(mark in record.raw for mark in self.marks) and self.matches(served, record.peek())

    def scope(self, served: ServedResource, namespace: str) -> str:
        """The store's prefix, or the one key, that everything which matches is under."""
        if self.fields is None:
            return served.scope(namespace)
        name, stated = self.fields.exact("metadata.name"), self.fields.exact("metadata.namespace")
        if served.resource.namespaced:
            namespace = namespace or _segment(stated)
        if not _segment(name) or (served.resource.namespaced and not namespace):
            return served.scope(namespace)
        return served.key(namespace, _segment(name))

    def selection(self, served: ServedResource) -> Selection | None:
        """What to be told of only, in a watch."""
        for field, operator, value in () if self.fields is None else self.fields.requirements:
            # What a version shows of a custom resource's fields is not always what is stored.
            if operator == "=" and (served.shape is None or field.startswith("metadata.")):
                return Selection(Field(field, served.kind.selectable), value)
        return None


def _segment(stated: str | None) -> str:
    """A name that can be part of a key, else "": then the object is looked for by its fields."""
    return stated if stated and "/" not in stated else ""


_MOST_MARKS = 8
_LONG_SELECTOR = 4096
"""Reading a character of one takes about a microsecond."""
EVERYTHING = Filter()


def filter_of(query: Query, served: ServedResource) -> Filter:
    """Raises BadRequest."""
    label_text, field_text = queries.first(query, "labelSelector"), queries.first(query, "fieldSelector")
    if not label_text and not field_text:
        return EVERYTHING
    try:
        labels = parse_labels(label_text) if label_text else None
    except SelectorError as error:
        raise BadRequest(f"unable to parse requirement: {error}" if not str(error).startswith("unable") else str(error)) from error
    try:
        fields = parse_fields(field_text) if field_text else None
    except SelectorError as error:
        raise BadRequest(str(error)) from error
    if fields is not None:
        for requirement in fields.requirements:
            if requirement.field not in served.kind.selectable_fields:
                raise BadRequest(served.kind.unknown_selector(requirement.field))
    return narrowed(labels, fields)


async def filter_of_request(backend: Backend, request: ApiRequest, served: ServedResource) -> Filter:
    """Raises BadRequest."""
    size = sum(len(queries.first(request.query, name)) for name in ("labelSelector", "fieldSelector"))
    return await backend.beside.run(lambda: filter_of(request.query, served), is_large=size > _LONG_SELECTOR)


def narrowed(labels: Selector | None, fields: FieldSelector | None) -> Filter:
    labels = None if labels is None or labels.is_everything else labels
    fields = None if fields is None or fields.is_everything else fields
    texts = [text for requirement in (() if labels is None else labels.requirements) for text in _required(requirement)]
    texts += [value for _, operator, value in (() if fields is None else fields.requirements) if operator == "=" and _is_text(value)]
    return Filter(labels, fields, tuple(map(dumps, texts[:_MOST_MARKS])))


def _required(requirement: Requirement) -> tuple[str, ...]:
    """Strings that must be in an object's labels to match."""
    if requirement.operator in ("!=", "notin", "!"):
        return ()
    is_exact = requirement.operator in ("=", "==", "in") and len(requirement.values) == 1
    return (requirement.key, *(requirement.values if is_exact else ()))


def _is_text(value: str) -> bool:
    """Whether a field of this value is surely a string in the object, where it may be a number, a boolean or missing."""
    return bool(value) and value not in ("true", "false") and not value.lstrip("-").isdecimal()


@dataclass(frozen=True, slots=True)
class Page:
    """limit: 0 for all. revision: None for the newest state, 0 for any. start: key to go on from, set with `at` by a token.

    inconsistent: the token that goes on from there in the newest state, for when the token's revision is gone.
    """

    limit: int = 0
    revision: int | None = None
    exact: bool = False
    start: str = ""
    inconsistent: str = ""


def page_of(query: Query, prefix: str) -> Page:
    """Raises BadRequest, Invalid."""
    limit = queries.integer(query, "limit") or 0
    version, match = queries.first(query, "resourceVersion"), queries.first(query, _MATCH)
    token = queries.first(query, "continue")
    _check_match(version, match, token, is_initial_given="sendInitialEvents" in query)
    if token:
        if version not in ("", "0"):
            raise BadRequest("specifying resource version is not allowed when using continue")
        at, start = decode_token(token, prefix)
        if at == _NEWEST:
            return Page(max(limit, 0), start=start)
        return Page(max(limit, 0), at, True, start, _token(_NEWEST, start, prefix))
    if not version:
        return Page(max(limit, 0))
    revision = revision_number(version, BadRequest, "invalid resource version: ")
    # A limit alone means the exact version, so that all pages show the one that was asked for.
    return Page(max(limit, 0), revision, match == "Exact" or (not match and limit > 0 and revision > 0))


def revision_number(version: str, error: Any, before: str = "") -> int:
    """Raises `error` with Go's words for what is no uint64."""
    problem = "invalid syntax" if not queries.is_decimal(version) else "" if queries.is_number(version) else "value out of range"
    if problem:
        text = f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": {problem}'
        raise error(before + text)
    return int(version)


def server_error(message: str) -> ApiError:
    """For a version that a get or a watch cannot read."""
    return ApiError(message, code=500, reason="")


def _check_match(version: str, match: str, token: str, *, is_initial_given: bool) -> None:
    causes: list[Cause] = []
    if match and not version:
        causes.append(_forbidden(f"{_MATCH} is forbidden unless resourceVersion is provided"))
    if match and token:
        causes.append(_forbidden(f"{_MATCH} is forbidden when continue is provided"))
    if match and match not in ("Exact", "NotOlderThan"):
        causes.append(_unsupported(match, ("Exact", "NotOlderThan", "")))
    if match == "Exact" and version == "0":
        causes.append(_forbidden(f'{_MATCH} "exact" is forbidden for resourceVersion "0"'))
    if is_initial_given:
        causes.append(_forbidden("sendInitialEvents is forbidden for list", "sendInitialEvents"))
    if causes:
        raise queries.invalid_options("ListOptions", causes)


def watch_begins_with_all(query: Query) -> bool | None:
    """Whether a watch first shows what is there, and says when that was all; None where a version says where it begins.

    Raises Invalid.
    """
    version, match, token = (queries.first(query, name) for name in ("resourceVersion", _MATCH, "continue"))
    is_given = "sendInitialEvents" in query
    causes: list[Cause] = []
    if is_given and match != "NotOlderThan":
        causes.append(_forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    if match and not is_given:
        causes.append(_forbidden(f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided"))
    if match and match != "NotOlderThan":
        causes.append(_unsupported(match, ("NotOlderThan",)))
    if match and token:
        causes.append(_forbidden(f"{_MATCH} is forbidden when continue is provided"))
    if causes:
        raise queries.invalid_options("ListOptions", causes)
    if is_given:
        return queries.boolean(query, "sendInitialEvents")
    return True if version in ("", "0") else None


def _unsupported(match: str, supported: tuple[str, ...]) -> Cause:
    shown = ", ".join(f'"{each}"' for each in supported)
    return Cause(_MATCH, "FieldValueNotSupported", f'Unsupported value: "{echo(match)}": supported values: {shown}')


def _forbidden(why: str, field: str = _MATCH) -> Cause:
    return Cause(field, "FieldValueForbidden", f"Forbidden: {why}")


def encode_token(revision: int, key: str, prefix: str) -> str:
    """A token that goes on after `key`."""
    return _token(revision, after(key), prefix)


def _token(revision: int, start: str, prefix: str) -> str:
    token = dumps({"v": _ENCODING, "rv": revision, "start": start.removeprefix(prefix)})
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def after(key: str) -> str:
    """The least key that comes after this one."""
    return key + "\0"


def decode_token(token: str, prefix: str) -> tuple[int, str]:
    """(revision or _NEWEST, first key) of a token; raises BadRequest."""
    before = "invalid continue token: continue key is not valid: "
    try:
        value = loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, JSONError) as error:
        raise BadRequest(f"{before}it is no JSON in base64") from error
    version = value.get("v", "") if isinstance(value, dict) else ""
    if version != _ENCODING:
        raise BadRequest(f"{before}server does not recognize this encoded version {version}")
    revision, start = value.get("rv"), value.get("start")
    if not isinstance(revision, int) or revision < _NEWEST or not revision or not isinstance(start, str) or not start:
        raise BadRequest(f"{before}incorrect encoded start resourceVersion (version {_ENCODING})")
    return revision, prefix + start
