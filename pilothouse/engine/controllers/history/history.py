"""The revisions of owners of one kind, kept in the cluster: claimed, made, renumbered and thrown away."""

from collections.abc import Collection
from typing import NamedTuple

from pilothouse.client.client import Client
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.engine.controllers.history import revisions as pure
from pilothouse.engine.controllers.ownership import Owner
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONTROLLERREVISIONS
from pilothouse.model.resource import Resource
from pilothouse.model.selector import Selector

MOST_COLLISIONS = 20
"""Names tried in one round; the next goes on with the count that the owner's status has by then."""


class Update(NamedTuple):
    """revision: that of the owner's template. revisions: all that the owner has. collisions: what its status is to say of them."""

    revision: Object
    revisions: list[Object]
    collisions: int


class History:
    """cached: ControllerRevisions, indexed by the uid of their controller."""

    def __init__(self, client: Client, owner: Resource, cached: Fresh) -> None:
        self._client = client
        self._resource = owner
        self._cached = cached
        self._owner = Owner(client, owner, cached)

    async def claim(self, owner: Object, selector: Selector) -> list[Object]:
        """The owner's revisions, orphans that its selector finds among them."""
        claimed = await self._owner.claim(owner, selector)
        return [each for each in claimed if not self._cached.is_leaving(each)]

    async def update(self, owner: Object, revisions: Collection[Object], collisions: int) -> Update:
        """Find, renumber or make the revision of the owner's template.

        collisions: as the owner's status has them. Raises ApiError: what the server says of the write; Conflict after
        `MOST_COLLISIONS` names that were all taken.
        """
        choice = pure.choose(owner, self._resource, revisions, collisions)
        if choice.is_new:
            made, collisions = await self._create(owner, choice.number, collisions)
        elif pure.number(choice.update) != choice.number:
            made = await self._client.update(CONTROLLERREVISIONS, choice.update | {"revision": choice.number})
            self._cached.wrote(made)
        else:
            made = choice.update
        others = [each for each in revisions if meta.uid(each) != meta.uid(made)]
        return Update(made, pure.in_order([*others, made]), collisions)

    async def _create(self, owner: Object, number: int, collisions: int) -> tuple[Object, int]:
        for count in range(collisions, collisions + MOST_COLLISIONS):
            wanted = pure.build(owner, self._resource, number, count)
            try:
                made = await self._client.create(CONTROLLERREVISIONS, wanted)
            except AlreadyExists:
                found = await self._found(owner, wanted)
                if found is None:
                    continue
                made = found
            self._cached.wrote(made)
            return made, count
        raise Conflict(f"{MOST_COLLISIONS} names for a revision of {meta.key(owner)} are taken")

    async def _found(self, owner: Object, wanted: Object) -> Object | None:
        """What has the name already, when it is the owner's own, which the cache has not shown yet."""
        found = await self._client.get_or_none(CONTROLLERREVISIONS, meta.name(wanted), meta.namespace(wanted))
        if found is None or meta.is_deleting(found) or not pure.is_same(found, wanted["data"]):
            return None
        controller = meta.controller_of(found)
        return found if controller is not None and controller["uid"] == meta.uid(owner) else None

    async def truncate(self, revisions: Collection[Object], live: Collection[str], limit: int | None) -> None:
        """Delete what is beyond the limit, as `revisions.surplus` says."""
        for each in pure.surplus(revisions, live, limit):
            try:
                await self._client.delete(CONTROLLERREVISIONS, meta.name(each), meta.namespace(each), uid=meta.uid(each))
            except NotFound:
                continue
            self._cached.deleted(each)
