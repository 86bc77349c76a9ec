"""Keeps metadata.managedFields on every write.

A creation is owned by its client; an update gives its client what it changes. An object that was stored without managers has none until
somebody applies to it. Source: apimachinery/pkg/util/managedfields.
"""

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource, Shape
from pilothouse.model.apply import UPDATE, FieldSet, Manager, Managers, OneVersion, Versions, decode, encode, field_set, tracked
from pilothouse.model.caching import remembered
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.meta import rfc3339
from pilothouse.model.schema.node import Node

Manage = Callable[[Object | None, Object], Coroutine[Any, Any, None]]
"""Given the stored object (None for a creation) and the new one, writes the new one's managers into it.

Waits for nothing where no webhook converts the resource's versions.
"""
_UNTRACKED = ("binding", "eviction")
_NAME_BYTES = 128


def manager(request: ApiRequest, served: ServedResource, operation: str) -> Manager:
    """The client: by the name that it gives, else by what its user agent begins with."""
    name = request.option("fieldManager") or _of_agent(request.headers.get("user-agent") or "")
    return Manager(name, operation, served.resource.api_version if operation == UPDATE else "", request.target.subresource)


@remembered(256)
def _of_agent(agent: str) -> str:
    return "".join(each for each in agent.partition("/")[0] if each.isprintable())[:_NAME_BYTES]


def by_update(request: ApiRequest, served: ServedResource) -> Manage:
    """Of creates, updates and patches."""

    async def manage(old: Object | None, value: Object) -> None:
        if request.target.subresource in _UNTRACKED:
            write(value, managers_of(old))
            return
        before, after = shown(served, without_managers(old)), shown(served, without_managers(value))
        managers = managers_of(old) if old is None else _stated(old, value)
        own, now = manager(request, served, UPDATE), rfc3339(time.time())
        try:
            found = await tracked(before, after or {}, managers, own, versions_of(served), now=now, ignored=ignored(request, served))
        except ApiError:
            # WHY not raised: who writes in a version that needs no conversion must not depend on a webhook because others wrote in another.
            found = managers
        write(value, found)

    return manage


def shown(served: ServedResource, stored: Object | None) -> Object | None:
    """A stored value as the version shows it, without a type."""
    convert = served.kind.from_stored
    return stored if stored is None or convert is None else convert(stored)


class _SharedVersions:
    """Of a built-in resource that has its objects in common with others of another form."""

    def __init__(self, served: ServedResource) -> None:
        self.own = served.resource.api_version
        self._served = served

    def schema(self, version: str) -> Node:
        return self._served.siblings[version].schema().whole

    async def converted(self, values: Sequence[Object], source: str, target: str) -> list[Object] | None:
        known = self._served.siblings
        if target not in known:
            return None
        return list(values) if source == target else [_converted(each, known[source], known[target]) for each in values]


def _converted(value: Object, source: ServedResource, target: ServedResource) -> Object:
    stored = value if source.kind.to_stored is None else source.kind.to_stored(value)
    found = shown(target, stored) or {}
    return found | {"apiVersion": target.resource.api_version} if "apiVersion" in found else found


class _ConvertedVersions:
    """Of a custom resource."""

    def __init__(self, served: ServedResource, shape: Shape) -> None:
        self.own = served.resource.api_version
        self._served = served
        self._shape = shape

    def schema(self, version: str) -> Node:
        return self._served.schema().whole if version == self.own else self._shape.schema(version).whole

    async def converted(self, values: Sequence[Object], source: str, target: str) -> list[Object] | None:
        """Raises ApiError 500."""
        return await self._shape.between(values, source, target)


def versions_of(served: ServedResource) -> Versions:
    """Most built-in resources have one version, or the same fields in each."""
    if served.siblings:
        return _SharedVersions(served)
    if served.shape is None:
        return OneVersion(served.resource.api_version, served.schema().whole)
    return _ConvertedVersions(served, served.shape)


def managers_of(obj: Object | None) -> Managers:
    return decode(obj["metadata"].get("managedFields")) or {} if obj is not None else {}


def _stated(old: Object, value: Object) -> Managers:
    """Those of the stored object, unless the client states others; one empty entry gives all of them up."""
    stated = value["metadata"].get("managedFields")
    if stated == [{}]:
        return {}
    return (decode(stated) if stated else None) or managers_of(old)


def write(value: Object, managers: Managers) -> None:
    put(value, encode(managers))


def put(value: Object, entries: list[Object]) -> None:
    """entries: managers, encoded."""
    if entries:
        value["metadata"]["managedFields"] = entries
    else:
        value["metadata"].pop("managedFields", None)


def without_managers(obj: Object | None) -> Object | None:
    if obj is None or "managedFields" not in obj["metadata"]:
        return obj
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}


def ignored(request: ApiRequest, served: ServedResource) -> FieldSet:
    """What this endpoint does not write, whatever a client sends there."""
    subresource = served.kind.subresources.get(request.target.subresource)
    if subresource is not None and subresource.part:
        return _all_but(subresource.part, served.schema().whole)
    return field_set("status") if subresource is None and "status" in served.resource.subresources else {}


def _all_but(part: str, whole: Node) -> FieldSet:
    """Whoever writes a single field of the spec writes no metadata either. Source: ResetObjectMetaForStatus, GetResetFieldsFilter."""
    holder, _, field = part.partition(".")
    if not field:
        return field_set(*(name for name in whole.properties if name not in (part, "metadata")))
    others = [name for name in whole.properties if name != holder]
    return field_set(*others, *(f"{holder}.{name}" for name in whole.properties[holder].properties if name != field))
