"""Makes the claims of pods, and keeps who owns them as the set's retention policy says.

Claims are read one by one and only when there is a reason: before a pod is made, while it is pending, when it is scaled away, and of
every pod once for each generation of the set, since a policy may have changed.
"""

from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.statefulset import claims, facts
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, Conflict, NotFound, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS


class Storage:
    def __init__(self, client: Client, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder

    async def provide(self, stateful_set: Object, ordinal: int, pod_uid: str = "") -> None:
        """See that the pod of an ordinal finds its claims. pod_uid: of the pod, "" while it is not made.

        Raises Conflict for a claim that goes with an earlier pod (the next round may find it gone), ApiError for what the server
        refuses; either is said of the set.
        """
        for template in claims.templates(stateful_set):
            await self._provide(stateful_set, template, ordinal, pod_uid)

    async def _provide(self, stateful_set: Object, template: Object, ordinal: int, pod_uid: str) -> None:
        name, pod = claims.name(stateful_set, template, ordinal), facts.pod_name(stateful_set, ordinal)
        found = await self._client.get_or_none(PERSISTENTVOLUMECLAIMS, name, meta.namespace(stateful_set))
        if found is None:
            await self._create(stateful_set, claims.build(stateful_set, template, ordinal), pod)
        elif meta.is_deleting(found):
            self._failed(stateful_set, name, pod, f'it is being deleted; pod "{pod}" waits for its end')
            raise Conflict(f'claim "{name}" is being deleted')
        elif claims.is_stale(found, pod, pod_uid):
            raise Conflict(f'claim "{name}" goes with an earlier pod "{pod}"')

    async def _create(self, stateful_set: Object, claim: Object, pod: str) -> None:
        name = meta.name(claim)
        try:
            await self._client.create(PERSISTENTVOLUMECLAIMS, claim)
        except AlreadyExists:
            return
        except NotFound as error:
            why = f"the cluster serves no PersistentVolumeClaims, or none in this namespace ({error.message})"
            self._failed(stateful_set, name, pod, why)
            raise Unavailable(f'claim "{name}" cannot be made: {why}') from error
        except ApiError as error:
            self._failed(stateful_set, name, pod, error.message)
            raise
        message = f"create Claim {name} Pod {pod} in StatefulSet {meta.name(stateful_set)} success"
        self._recorder.say(stateful_set, "Normal", "SuccessfulCreate", message)

    def _failed(self, stateful_set: Object, name: str, pod: str, why: str) -> None:
        message = f"create Claim {name} for Pod {pod} in StatefulSet {meta.name(stateful_set)} failed error: {why}"
        self._recorder.say(stateful_set, "Warning", "FailedCreate", message)

    async def own(self, stateful_set: Object, pod: Object) -> None:
        """Give the pod's claims the owners that the retention policy asks for. A claim that is not there is nobody's."""
        ordinal = facts.ordinal_of(stateful_set, pod)
        if ordinal is None:
            return
        is_scaled_away = ordinal not in facts.ordinals(stateful_set)
        for template in claims.templates(stateful_set):
            name = claims.name(stateful_set, template, ordinal)
            found = await self._client.get_or_none(PERSISTENTVOLUMECLAIMS, name, meta.namespace(stateful_set))
            if found is None or meta.is_deleting(found):
                continue
            owners = claims.wanted_owners(stateful_set, found, pod, is_scaled_away=is_scaled_away)
            if owners != meta.owner_references(found):
                metadata = {key: value for key, value in found["metadata"].items() if key != "ownerReferences"}
                metadata |= {"ownerReferences": owners} if owners else {}
                await self._client.update(PERSISTENTVOLUMECLAIMS, found | {"metadata": metadata})
