"""The objects of a write as webhooks see them, in the version and shape that a webhook asks for, and changed ones taken back."""

from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.answer import Unstored
from pilothouse.engine.apiserver.request import decode
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.errors import Internal
from pilothouse.model.json import Object, copy
from pilothouse.model.schema import DecodeError, Schema

Schemas = Callable[[str], Schema]
"""The schema of a definition's name."""

_SHOWN_CHARACTERS = 4 * 1024
_UNFILLED = ("uid", "creationTimestamp")
"""Metadata that a new object gets once mutating admission is over."""


@dataclass(frozen=True, slots=True)
class Type:
    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def to_dict(self) -> Object:
        return {"group": self.group, "version": self.version, "kind": self.kind}


def type_of(served: ServedResource, subresource: str) -> Type:
    """Of what goes in through a resource or a subresource of it."""
    resource = served.resource
    below = served.kind.subresources.get(subresource)
    if below is None or below.answers is None:
        return Type(resource.group, resource.version, resource.kind)
    group, version, kind = below.answers
    return Type(group or resource.group, version or resource.version, kind)


async def new_object(write: Write, served: ServedResource) -> Object | None:
    """Raises ApiError 500 when it cannot be converted, as does all that follows."""
    return None if write.value is None else await _shown(write, served, write.value)


async def unfinished_object(write: Write, served: ServedResource) -> Object | None:
    """The new object before the server has given it a name, a uid and a time: what mutating webhooks see."""
    shown = await new_object(write, served)
    if shown is None or write.operation != "CREATE" or write.subresource:
        return shown
    hidden = _UNFILLED if write.name else (*_UNFILLED, "name")
    return {**shown, "metadata": {key: value for key, value in shown["metadata"].items() if key not in hidden}}


async def old_object(write: Write, served: ServedResource) -> Object | None:
    return None if write.old is None else await _shown(write, served, write.old)


async def _shown(write: Write, served: ServedResource, value: Object) -> Object:
    if write.view is not None:
        return write.view.show(value)
    if _has_own_kind(write):
        own = type_of(served, write.subresource)
        return {"apiVersion": own.api_version, "kind": own.kind, **value}
    return served.typed(await _converted(value, write.served, served))


def _has_own_kind(write: Write) -> bool:
    """Whether the value is not the resource's object but what is posted to a subresource."""
    return bool(write.subresource) and write.operation in ("CREATE", "CONNECT")


async def _converted(value: Object, stated: ServedResource, wanted: ServedResource) -> Object:
    """A value of one version as another version of the same resource shows it."""
    if stated is wanted or wanted.shape is None:
        return value
    (shown,) = await wanted.shown([Unstored(await stated.stored(value))])
    found: Object = shown.value
    return found


def decoded(write: Write, served: ServedResource, changed: Object, schemas: Schemas) -> Object:
    """The value that a changed object stands for, defaulted, in the version that the webhook has seen; for `taken`.

    Raises Internal for what is no such object.
    """
    own = type_of(served, write.subresource)
    stated = changed.get("apiVersion"), changed.get("kind")
    if stated != (own.api_version, own.kind):
        raise internal(f"{stated[0]}, Kind={stated[1]} is not {own.api_version}, Kind={own.kind}")
    below = served.kind.subresources.get(write.subresource)
    try:
        if below is not None and below.answers is not None:
            return decode.without_type(schemas(below.definition).decode(changed).value if below.definition else changed)
        value = decode.without_type(served.decode(changed).value)
    except DecodeError as error:
        raise internal(error.message) from error
    if served.kind.to_stored is not None:
        value = served.kind.to_stored(value)
    served.kind.default(value)
    return value


async def taken(write: Write, served: ServedResource, value: Object) -> Object:
    """A value from `decoded` as what takes the place of the write's own."""
    if write.view is not None:
        whole: Object = copy(write.new())
        write.view.take(whole, value)
        return whole
    if _has_own_kind(write):
        return value
    value = await _converted(value, served, write.served)
    if write.operation == "CREATE":
        _finish(write.new(), value)
    return value


def _finish(before: Object, value: Object) -> None:
    """Give a new object back what `unfinished_object` has kept from view."""
    metadata = value["metadata"]
    for name in (*_UNFILLED, "name"):
        if not metadata.get(name) and name in before["metadata"]:
            metadata[name] = before["metadata"][name]


def internal(why: str) -> Internal:
    """why: may repeat what a webhook has sent, and is cut."""
    why = why[:_SHOWN_CHARACTERS]
    return Internal(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})
