"""How many pods what owns a pod wants to have, whatever it is: a built-in kind, or a custom one with a scale.

Source: Kubernetes 1.36, the finders of pkg/controller/disruption/disruption.go.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.engine.controllers import discovery
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import DEPLOYMENTS, REPLICASETS, REPLICATIONCONTROLLERS
from pilothouse.model.resource import Resource


class NoController(Exception):
    """Nobody says how many pods there should be; str(error) is a sentence."""


class Total(NamedTuple):
    """pods: how many there should be. unmanaged: names of those that nobody controls."""

    pods: int
    unmanaged: list[str]


class Scales:
    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._cached = {resource.kind: informers.of(resource) for resource in (REPLICASETS, DEPLOYMENTS, REPLICATIONCONTROLLERS)}
        self._served: list[Resource] = []

    async def total(self, pods: Sequence[Object]) -> Total:
        """Each owner counts once. Raises NoController, ApiError."""
        found: dict[str, int] = {}
        known: set[str] = set()
        unmanaged = []
        for pod in pods:
            owner = meta.controller_of(pod)
            if owner is None:
                unmanaged.append(meta.name(pod))
            elif owner["uid"] not in known:
                known.add(owner["uid"])
                uid, replicas = await self._of(meta.namespace(pod), owner, meta.name(pod))
                found[uid] = replicas
        return Total(sum(found.values()), unmanaged)

    async def _of(self, namespace: str, owner: Object, pod: str) -> tuple[str, int]:
        """The uid of who decides about the number, and the number."""
        obj = self._find(namespace, owner)
        above = None if obj is None else meta.controller_of(obj)
        deployment = None if above is None or above["kind"] != DEPLOYMENTS.kind else self._find(namespace, above)
        if (decides := deployment or obj) is not None:
            return meta.uid(decides), (decides.get("spec") or {}).get("replicas") or 0
        return owner["uid"], await self._scale(namespace, owner, pod)

    def _find(self, namespace: str, owner: Object) -> Object | None:
        informer = self._cached.get(owner["kind"])
        if informer is None or owner["apiVersion"].rpartition("/")[0] != informer.resource.group:
            return None
        found = informer.get(f"{namespace}/{owner['name']}")
        return found if found is not None and meta.uid(found) == owner["uid"] else None

    async def _scale(self, namespace: str, owner: Object, pod: str) -> int:
        resource = await self._resource(owner)
        if resource is None:
            raise NoController(f'found no controllers for pod "{pod}"')
        try:
            scale = await self._client.get(resource, owner["name"], namespace, subresource="scale")
        except NotFound as error:
            raise NoController(f"{resource.group_resource} {owner['name']} of pod {pod} is gone, or has no scale") from error
        if meta.uid(scale) != owner["uid"]:
            raise NoController(f'found no controllers for pod "{pod}"')
        replicas: int = (scale.get("spec") or {}).get("replicas") or 0
        return replicas

    async def _resource(self, owner: Object) -> Resource | None:
        """Of the owner's kind: what is served is asked for again when the kind is not among it."""
        if (found := self._known(owner)) is None:
            self._served = (await discovery.served(self._client)).resources
            found = self._known(owner)
        return found

    def _known(self, owner: Object) -> Resource | None:
        wanted = (owner["apiVersion"].rpartition("/")[0], owner["kind"])
        return next((each for each in self._served if (each.group, each.kind) == wanted), None)
