"""What every write does to an object before it is judged: who may change status, when the generation rises.

A resource with a status subresource drops status on create, keeps the old one on an update of the object, and keeps everything but
status (and, as upstream, object metadata that no one may change there) on an update of the subresource.
The generation counts changes of what the user asks for: everything outside metadata and status.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import Context
from pilothouse.model.json import Object, same

Create = Callable[[Object, Context], None]
Update = Callable[[Object, Object, Context], None]


def fill(target: Object, name: str, value: Any) -> None:
    """Give a field its default."""
    if target.get(name) is None:
        target[name] = value


def set_status(obj: Object, status: Object | None) -> None:
    if status is None:
        obj.pop("status", None)
    else:
        obj["status"] = status


def create(*, status: Object | None = None, generation: bool = True) -> Create:
    """status: the one a new object has; None leaves the field out."""

    def prepare(obj: Object, context: Context) -> None:
        set_status(obj, deepcopy(status))
        if generation:
            obj["metadata"]["generation"] = 1

    return prepare


def update(*, generation: bool = True, frozen_in_status: tuple[str, ...] = (), counted: tuple[str, ...] = ()) -> Update:
    """frozen_in_status: metadata that a write to the status subresource leaves alone, such as "labels".
    counted: metadata whose change raises the generation, too.
    """

    def prepare(obj: Object, old: Object, context: Context) -> None:
        keep_owned(obj, old)
        if context.subresource == "status":
            keep_all_but_status(obj, old, frozen_in_status)
            return
        set_status(obj, old.get("status"))
        if generation and (asked_differently(obj, old) or _changed(obj["metadata"], old["metadata"], counted)):
            obj["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1

    return prepare


def keep_all_but_status(obj: Object, old: Object, frozen: tuple[str, ...] = ()) -> None:
    status, metadata = obj.get("status"), obj["metadata"]
    obj.clear()
    obj.update(old)
    obj["metadata"] = metadata
    for name in frozen:
        if name in old["metadata"]:
            metadata[name] = old["metadata"][name]
        else:
            metadata.pop(name, None)
    set_status(obj, status)


def keep_owned(obj: Object, old: Object) -> None:
    """Nobody sets generation and times by hand, and a deletion is not taken back."""
    metadata, before = obj["metadata"], old["metadata"]
    for name in ("generation", "creationTimestamp", "deletionTimestamp"):
        if before.get(name) is not None:
            metadata[name] = before[name]
        elif name != "deletionTimestamp":
            metadata.pop(name, None)


def asked_differently(obj: Object, old: Object) -> bool:
    ignored = ("metadata", "status", "apiVersion", "kind")
    return any(not same(obj.get(name), old.get(name)) for name in {*obj, *old} if name not in ignored)


def _changed(metadata: Object, old: Object, counted: tuple[str, ...]) -> bool:
    return any(not same(metadata.get(name), old.get(name)) for name in counted)


def plain_update(obj: Object, old: Object, context: Context) -> None:
    """A resource without status or generation."""
    keep_owned(obj, old)


def is_new_generation(obj: Object, old: Object) -> bool:
    """Of an update that has been prepared."""
    return bool(obj["metadata"].get("generation") != old["metadata"].get("generation"))
