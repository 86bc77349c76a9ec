"""What the cluster has of instances, kept current, and changed where it is not as it is wanted."""

from collections.abc import Callable, Iterable

from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.client.informers import Informers
from pilothouse.model import kinds, meta
from pilothouse.model.covering import covers
from pilothouse.model.errors import AlreadyExists, NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform.databases.mysql import labels
from pilothouse.platform.databases.resource import BACKUPS, MYSQLS

OWNED = (
    *(kinds.SECRETS, kinds.CONFIGMAPS, kinds.SERVICES, kinds.STATEFULSETS),
    *(kinds.PODDISRUPTIONBUDGETS, kinds.NETWORKPOLICIES),
)
"""What is removed with an instance, beside its volumes."""
BESIDE = (kinds.PERSISTENTVOLUMECLAIMS, kinds.PODS, BACKUPS)
MADE_ONCE = (kinds.PERSISTENTVOLUMECLAIMS,)
"""What is not changed by `ensure`."""
SELECTED = labels.INSTANCE
"""Label selector of all that belongs to an instance, whichever it is."""


class Cache:
    """Asks for its informers when it is made; they run elsewhere."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self.client = client
        self.instances = informers.of(MYSQLS)
        self.of_kind: dict[str, tuple[Resource, Informer]] = {
            res.kind: (res, informers.of(res, label_selector=SELECTED, indexes={"instance": instance_keys})) for res in (*OWNED, *BESIDE)
        }
        for res, informer in self.of_kind.values():
            if res is not kinds.SECRETS:
                informer.on_change(_lighten)

    @property
    def informers(self) -> Iterable[Informer]:
        return (informer for _, informer in self.of_kind.values())

    def found(self, resource: Resource, instance: Object) -> list[Object]:
        """Those with the instance's label."""
        return self.of_kind[resource.kind][1].by_index("instance", meta.key(instance))

    def own(self, resource: Resource, instance: Object) -> dict[str, Object]:
        """By name, those of them that are this instance's."""
        return {meta.name(each): each for each in self.found(resource, instance) if labels.is_of(instance, each)}

    async def ensure(self, instance: Object, wanted: Object, *, change: Callable[[Object], Object] = lambda each: each) -> str:
        """Make or change an object of the instance. change: what of it an existing one is given.

        Returns what has its name and is somebody else's, as text. Raises ApiError.
        """
        resource, informer = self.of_kind[wanted["kind"]]
        current = informer.get(meta.key(wanted))
        if current is None:
            return await self._create(resource, instance, wanted)
        if not labels.is_of(instance, current):
            return _named(resource, wanted)
        fresh = change(wanted)
        if resource not in MADE_ONCE and not all(covers(current.get(key), value) for key, value in _content(fresh).items()):
            await self._change(resource, current, fresh)
        return ""

    async def _change(self, resource: Resource, current: Object, wanted: Object) -> None:
        """Raises Conflict for a Secret that somebody else has changed since."""
        if resource is kinds.SECRETS:
            # Who may patch Secrets may read them all.
            await self.client.update(resource, current | _content(wanted))
        else:
            await self.client.patch(resource, meta.name(wanted), _content(wanted), namespace=meta.namespace(wanted))

    async def remove(self, obj: Object, propagation: str = "Background") -> None:
        resource, _ = self.of_kind[obj["kind"]]
        try:
            await self.client.delete(resource, meta.name(obj), meta.namespace(obj), uid=meta.uid(obj), propagation=propagation)
        except NotFound:
            return

    async def _create(self, resource: Resource, instance: Object, wanted: Object) -> str:
        current = await self._made(resource, wanted)
        return "" if current is None or labels.is_of(instance, current) else _named(resource, wanted)

    async def _made(self, resource: Resource, wanted: Object) -> Object | None:
        """Create it; returns the one that was there before, which may be ours when the cache is not current."""
        try:
            await self.client.create(resource, wanted)
        except AlreadyExists:
            # Listed by name: a part that may list Secrets that objects name need not be allowed to read others.
            page = await self.client.list(resource, meta.namespace(wanted), field_selector=f"metadata.name={meta.name(wanted)}")
            return page.items[0] if page.items else None
        return None


def _lighten(old: Object | None, new: Object | None) -> None:
    """Who has set which field is half of a pod's memory, and only what is written back as a whole, as Secrets are, has to have it."""
    if new is not None:
        new["metadata"].pop("managedFields", None)


def instance_keys(obj: Object) -> list[str]:
    name = meta.labels(obj).get(labels.INSTANCE)
    return [f"{meta.namespace(obj)}/{name}"] if name else []


def _content(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata", "type")}


def _named(resource: Resource, obj: Object) -> str:
    return f"{resource.singular} {meta.name(obj)}"
