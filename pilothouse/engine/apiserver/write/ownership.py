"""Keeps metadata.managedFields on every write.

A creation is owned by its client; an update gives its client what it changes. An object that was stored without managers has none until
somebody applies to it. Source: apimachinery/pkg/util/managedfields.
"""

import time
from collections.abc import Callable

from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.apply import UPDATE, FieldSet, Manager, Managers, decode, encode, field_set, tracked
from pilothouse.model.json import Object
from pilothouse.model.meta import rfc3339

Manage = Callable[[Object | None, Object], None]
"""Given the stored object (None for a creation) and the new one, writes the new one's managers into it."""
_UNTRACKED = ("binding", "eviction")
_NAME_BYTES = 128


def manager(request: ApiRequest, served: ServedResource, operation: str) -> Manager:
    """The client: by the name that it gives, else by what its user agent begins with."""
    name = request.option("fieldManager") or _of_agent(request.headers.get("user-agent") or "")
    return Manager(name, operation, served.resource.api_version if operation == UPDATE else "", request.target.subresource)


def _of_agent(agent: str) -> str:
    return "".join(each for each in agent.partition("/")[0] if each.isprintable())[:_NAME_BYTES]


def by_update(request: ApiRequest, served: ServedResource) -> Manage:
    """Of creates, updates and patches."""

    def manage(old: Object | None, value: Object) -> None:
        if served.kind.to_stored is not None or request.target.subresource in _UNTRACKED:
            # The shape of the version is not the one that is stored.
            write(value, managers_of(old))
            return
        before, after = without_managers(old), without_managers(value)
        managers = managers_of(old) if old is None else _stated(old, value)
        now, schema = rfc3339(time.time()), served.schema().whole
        found = tracked(before, after or {}, managers, manager(request, served, UPDATE), schema, now, ignored(request, served))
        write(value, found)

    return manage


def managers_of(obj: Object | None) -> Managers:
    return decode(obj["metadata"].get("managedFields")) or {} if obj is not None else {}


def _stated(old: Object, value: Object) -> Managers:
    """Those of the stored object, unless the client states others; one empty entry gives all of them up."""
    stated = value["metadata"].get("managedFields")
    if stated == [{}]:
        return {}
    return (decode(stated) if stated else None) or managers_of(old)


def write(value: Object, managers: Managers) -> None:
    if managers:
        value["metadata"]["managedFields"] = encode(managers)
    else:
        value["metadata"].pop("managedFields", None)


def without_managers(obj: Object | None) -> Object | None:
    if obj is None or "managedFields" not in obj["metadata"]:
        return obj
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}


def ignored(request: ApiRequest, served: ServedResource) -> FieldSet:
    """What this endpoint does not write, whatever a client sends there."""
    subresource = request.target.subresource
    if subresource == "status":
        return field_set(*(name for name in served.schema().whole.properties if name not in ("status", "metadata")))
    return field_set("status") if not subresource and "status" in served.resource.subresources else {}
