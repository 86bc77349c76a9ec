"""Makes the kinds of snapshots, and the class of the volumes that are made here, where they are missing."""

from contextlib import suppress

from pilothouse.client.client import Client
from pilothouse.engine.controllers import own_kinds
from pilothouse.engine.controllers.snapshot.definitions import DEFINITIONS
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS
from pilothouse.model.snapshots import DEFAULT_CLASS, DELETE, VOLUMESNAPSHOTCLASSES
from pilothouse.model.volumes import LOCAL_CLASS, LOCAL_PROVISIONER

CLASS_MADE = "pilothouse.io/class-made"
"""Annotation of the definition of classes: ours has been made, and is its administrator's since."""

LOCAL: Object = {
    "metadata": {"name": LOCAL_CLASS, "annotations": {DEFAULT_CLASS: "true"}},
    "driver": LOCAL_PROVISIONER,
    "deletionPolicy": DELETE,
}


async def install(client: Client) -> None:
    """Raises ApiError: also while the kinds are not served yet, for a moment after they were made."""
    await own_kinds.ensure(client, *DEFINITIONS)
    found = await client.get(CRDS, VOLUMESNAPSHOTCLASSES.group_resource)
    if CLASS_MADE not in meta.annotations(found):
        # Only once: whoever deletes the class does not get it back at the next start.
        with suppress(AlreadyExists):
            await client.create(VOLUMESNAPSHOTCLASSES, LOCAL)
        await client.patch(CRDS, meta.name(found), {"metadata": {"annotations": {CLASS_MADE: "yes"}}})
