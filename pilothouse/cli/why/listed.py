"""A reader for many apps at once: each kind is listed once a namespace, and objects are looked up in the lists."""

from pilothouse.client.client import Client, ObjectList
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource


class Listed:
    """What the cluster held when each kind was asked for first; for one user at a time."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._lists: dict[tuple[Resource, str | None], ObjectList] = {}

    async def list_all(self, resource: Resource, namespace: str | None = None, *, label_selector: str | None = None) -> ObjectList:
        """label_selector: only of the form key=value."""
        found = await self._list(resource, namespace)
        if label_selector is None:
            return found
        key, _, value = label_selector.partition("=")
        return ObjectList([obj for obj in found.items if meta.labels(obj).get(key) == value], found.resource_version)

    async def get_or_none(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        return next((obj for obj in (await self._list(resource, namespace)).items if meta.name(obj) == name), None)

    async def _list(self, resource: Resource, namespace: str | None) -> ObjectList:
        key = (resource, namespace)
        if key not in self._lists:
            self._lists[key] = await self.client.list_all(resource, namespace)
        return self._lists[key]
