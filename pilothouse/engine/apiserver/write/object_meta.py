"""Metadata that the server owns: identity and time of new objects, generated names, what an update may not take away."""

from collections.abc import Callable

from pilothouse.model import meta
from pilothouse.model.errors import ApiError, BadRequest
from pilothouse.model.json import Object


def set_namespace(obj: Object, namespace: str, namespaced: bool) -> None:
    """Put the object into the namespace of the URL; raises BadRequest when it says otherwise."""
    metadata = obj["metadata"]
    stated = metadata.get("namespace", "")
    if not namespaced:
        if stated:
            metadata.pop("namespace")
        return
    if stated and namespace and stated != namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    if namespace:
        metadata["namespace"] = namespace


def fill_new(obj: Object, timestamp: str) -> None:
    """Make the metadata of an object that does not exist yet; raises ApiError 500 for a stated resourceVersion."""
    metadata = obj["metadata"]
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = meta.generate_name(metadata["generateName"])
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields", "generation"):
        metadata.pop(name, None)
    metadata["uid"] = meta.new_uid()
    metadata["creationTimestamp"] = timestamp


OWNED_OF_NEW = ("uid", "creationTimestamp", "resourceVersion")
"""The version is there in a dry run alone, as the client states it."""


def keep_new(obj: Object, owned: Object) -> None:
    """Put back what the server has made of a new object's metadata, whatever has become of it since."""
    metadata = obj["metadata"]
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation", "resourceVersion"):
        metadata.pop(name, None)
    metadata.update(owned)


def refuse_version(obj: Object) -> None:
    """A new object has no version yet; `0` passes, as upstream lets it."""
    version = obj["metadata"].pop("resourceVersion", "")
    if version not in ("", "0"):
        raise ApiError("resourceVersion should not be set on objects to be created", code=500, reason="")


def drop_double_owners(obj: Object, warn: Callable[[str], None]) -> None:
    """Keep each owner reference once; references to one owner that differ in anything are all kept."""
    owners = obj["metadata"].get("ownerReferences") or ()
    kept = {tuple(sorted(each.items())): each for each in owners}
    if len(kept) != len(owners):
        obj["metadata"]["ownerReferences"] = list(kept.values())
        warn("metadata.ownerReferences names an owner twice; it is kept once, please send it once")


_OWNED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def inherit(obj: Object, old: Object) -> None:
    """Fill from the stored object what a client may leave out of an update and can never set."""
    metadata, kept = obj["metadata"], old["metadata"]
    for name in _OWNED:
        if not metadata.get(name) and kept.get(name) is not None:
            metadata[name] = kept[name]
    if "generation" in kept:
        metadata["generation"] = kept["generation"]
    else:
        metadata.pop("generation", None)
    metadata.pop("selfLink", None)
