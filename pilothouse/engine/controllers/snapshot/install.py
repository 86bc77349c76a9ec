"""Makes the kinds of snapshots, and the class of the volumes that are made here, where they are missing.

A definition that somebody has applied in the place of ours stays as it is: it is known by what kubectl notes of its own, or by lacking
our mark. One of ours is replaced by that of a later version.
"""

import asyncio
from contextlib import suppress

from pilothouse.client.client import Client
from pilothouse.engine.controllers.snapshot.definitions import DEFINITIONS, MADE_HERE, VERSION
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS
from pilothouse.model.snapshots import DEFAULT_CLASS, DELETE, VOLUMESNAPSHOTCLASSES
from pilothouse.model.volumes import LOCAL_CLASS, LOCAL_PROVISIONER

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CLASS_MADE = "pilothouse.io/class-made"
"""Annotation of the definition of classes: ours has been made, and is its administrator's since."""
_TRY_S = 0.1

LOCAL: Object = {
    "metadata": {"name": LOCAL_CLASS, "annotations": {DEFAULT_CLASS: "true"}},
    "driver": LOCAL_PROVISIONER,
    "deletionPolicy": DELETE,
}


async def install(client: Client) -> None:
    """Returns when the kinds are served. Raises ApiError."""
    for definition in DEFINITIONS:
        await _ensure(client, definition)
    found = await client.get(CRDS, VOLUMESNAPSHOTCLASSES.group_resource)
    if CLASS_MADE not in meta.annotations(found):
        # Only once: whoever deletes the class does not get it back at the next start.
        await _class(client)
        await client.patch(CRDS, meta.name(found), {"metadata": {"annotations": {CLASS_MADE: "yes"}}})


async def _ensure(client: Client, definition: Object) -> None:
    found = await client.get_or_none(CRDS, meta.name(definition))
    if found is None:
        with suppress(AlreadyExists):
            await client.create(CRDS, definition)
    elif _is_older(found):
        patch = {"metadata": {"annotations": definition["metadata"]["annotations"]}, "spec": definition["spec"]}
        await client.patch(CRDS, meta.name(definition), patch)


def _is_older(found: Object) -> bool:
    annotations = meta.annotations(found)
    return _APPLIED not in annotations and annotations.get(MADE_HERE, VERSION) != VERSION


async def _class(client: Client) -> None:
    """Its kind is served a moment after its definition has been written."""
    for attempt in range(100):
        try:
            await client.create(VOLUMESNAPSHOTCLASSES, LOCAL)
        except AlreadyExists:
            return
        except ApiError as error:
            if error.code != 404 or attempt == 99:
                raise
            await asyncio.sleep(_TRY_S)
        else:
            return
