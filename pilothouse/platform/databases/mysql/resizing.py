"""Members' resources and volumes, changed in place as far as the cluster has room for it."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from pilothouse.client.client import Client
from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import growth, names
from pilothouse.platform.databases.mysql.actual import Actual
from pilothouse.platform.databases.mysql.patching import REFUSED, patched
from pilothouse.platform.databases.mysql.types import MySQLSpec


class Resizing:
    """Of one round. hindrances: a sentence for each thing that is not as it is wanted; has_no_room: whether one of them may stay true."""

    def __init__(self, client: Client, spec: MySQLSpec, actual: Actual, *, is_faulty: bool) -> None:
        """is_faulty: nothing is to be changed, since what is wanted cannot be."""
        self._client = client
        self._spec = spec
        self._actual = actual
        self._is_faulty = is_faulty
        self.hindrances: list[str] = []
        self.has_no_room = False

    async def run(self, members: Iterable[str], obeys: Callable[[str], bool]) -> None:
        """obeys: whether a member has carried out all that it is told. Raises ApiError for what is no refusal."""
        pods, claims = self._actual.pods, self._claims(members)
        if not self._is_faulty:
            for name, pod in pods.items():
                patch = growth.patch(self._spec, pod, is_told=obeys(name))
                if patch is not None and not meta.is_deleting(pod):
                    await self._try(patched(self._client, pod, patch, "resize"))
            for claim in growth.growing(self._spec, claims):
                await self._try(self._grow(claim))
        self.hindrances += [*growth.hindrances(self._spec, pods), *growth.unprovided(self._spec, claims)]
        self.has_no_room = self.has_no_room or any(growth.is_pending(pod) for pod in pods.values())

    def _claims(self, members: Iterable[str]) -> dict[str, Object]:
        found = self._actual.claims
        return {name: found[name] for each in members if (name := names.claim(each)) in found}

    async def _grow(self, claim: Object) -> None:
        patch = {"spec": {"resources": {"requests": {"storage": self._spec.size}}}}
        await self._client.patch(kinds.PERSISTENTVOLUMECLAIMS, meta.name(claim), patch, namespace=meta.namespace(claim))

    async def _try(self, doing: Coroutine[Any, Any, None]) -> None:
        try:
            await doing
        except REFUSED as error:
            self.has_no_room = True
            self.hindrances.append(error.message)
