"""Which objects belong to a controller: those that name it as theirs and those that nobody owns but its selector finds.

A controller adopts matching orphans and releases what its selector has stopped matching. Before the first adoption it asks the
server whether the owner still stands as it is cached, so that a controller with a stale cache adopts nothing for one that is gone.
Source: Kubernetes, controller_ref_manager.go.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.client.client import Client
from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.model import meta
from pilothouse.model.errors import Invalid, NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.model.selector import Selector


@dataclass(frozen=True, slots=True)
class Claim:
    """mine: owned and matching; adopt: orphans that match; release: owned, but no longer matching."""

    mine: list[Object]
    adopt: list[Object]
    release: list[Object]


def plan(owner: Object, selector: Selector, owned: list[Object], orphans: list[Object]) -> Claim:
    if meta.is_deleting(owner):
        return Claim([obj for obj in owned if selector.matches(meta.labels(obj))], [], [])
    mine = [obj for obj in owned if selector.matches(meta.labels(obj))]
    release = [obj for obj in owned if not selector.matches(meta.labels(obj))]
    adopt = [obj for obj in orphans if not meta.is_deleting(obj) and selector.matches(meta.labels(obj))]
    return Claim(mine, adopt, release)


class Owner:
    """Claims objects of one resource for owners of another. `objects` is indexed by the controller's uid.

    adopts_finished: whether pods that have ended are adopted, too, because they stand in the place of others.
    """

    def __init__(
        self, client: Client, owner: Resource, objects: Fresh, finalizer: str | None = None, *, adopts_finished: bool = False
    ) -> None:
        self._client = client
        self._owner = owner
        self._objects = objects
        self._finalizer = finalizer
        self._adopts_finished = adopts_finished

    async def claim(self, owner: Object, selector: Selector, fits: Callable[[Object], bool] = lambda obj: True) -> list[Object]:
        """What belongs to the owner after adoption and release. fits: which orphans may be adopted, beside what the selector says."""
        namespace = meta.namespace(owner)
        owned = self._objects.indexed(meta.uid(owner))
        orphans = [obj for obj in self._objects.indexed(pods.orphans(namespace)) if self._may_adopt(obj) and fits(obj)]
        claim = plan(owner, selector, owned, orphans)
        for obj in claim.release:
            await self._release(owner, obj)
        if not claim.adopt or not await self._stands(owner):
            return claim.mine
        adopted = [await self._adopt(owner, obj) for obj in claim.adopt]
        return claim.mine + [obj for obj in adopted if obj is not None]

    def _may_adopt(self, obj: Object) -> bool:
        return self._adopts_finished or not pods.is_finished(obj)

    async def _stands(self, owner: Object) -> bool:
        current = await self._client.get_or_none(self._owner, meta.name(owner), meta.namespace(owner))
        return current is not None and meta.uid(current) == meta.uid(owner) and not meta.is_deleting(current)

    async def _adopt(self, owner: Object, obj: Object) -> Object | None:
        reference = meta.owner_reference(owner, self._owner.api_version, self._owner.kind)
        change: Object = {"uid": meta.uid(obj), "ownerReferences": [reference]}
        if self._finalizer:
            change["finalizers"] = [self._finalizer]
        return await self._patch(obj, change)

    async def _release(self, owner: Object, obj: Object) -> None:
        change: Object = {"uid": meta.uid(obj), "ownerReferences": [{"$patch": "delete", "uid": meta.uid(owner)}]}
        if self._finalizer:
            change["$deleteFromPrimitiveList/finalizers"] = [self._finalizer]
        await self._patch(obj, change)

    async def _patch(self, obj: Object, metadata: Object) -> Object | None:
        """None when the object is gone, or another by now: then there is nothing to claim."""
        resource = self._objects.informer.resource
        try:
            answer = await self._client.patch(
                resource, meta.name(obj), {"metadata": metadata}, namespace=meta.namespace(obj), type=STRATEGIC_PATCH
            )
        except (NotFound, Invalid):
            return None
        self._objects.wrote(answer)
        return answer
