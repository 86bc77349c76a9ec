"""Keeps as many pods alive as a ReplicaSet or a ReplicationController wants."""

import asyncio
import time
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller, owner_key
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers import batches, pods, refusal
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.engine.controllers.ownership import Owner
from pilothouse.engine.controllers.replicaset import plan
from pilothouse.engine.controllers.replicaset.family import REPLICA_SETS, Family
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS

WORKERS = 5


class ReplicaSetController:
    """family: the kind of sets that it keeps."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        clock: Callable[[], float] = time.time,
        family: Family = REPLICA_SETS,
    ) -> None:
        resource = family.resource
        self._family = family
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._sets = Fresh(informers.of(resource), "controller", pods.by_controller_uid)
        self._pods = Fresh(informers.of(PODS), "controller", pods.by_controller_uid)
        self._owner = Owner(client, resource, self._pods)
        self._controller = Controller(resource.singular, self.reconcile, workers=WORKERS)
        self._controller.watches(self._sets.informer)
        self._controller.watches(self._pods.informer, owner_key(resource))
        self._controller.watches(self._pods.informer, self._sets_of_orphan)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        replica_set = self._sets.get(key)
        if replica_set is None:
            return None
        claimed = await self._owner.claim(replica_set, self._family.selector(replica_set))
        active = [pod for pod in claimed if not pods.is_finished(pod) and not self._pods.is_leaving(pod)]
        terminating = sum(1 for pod in claimed if not pods.is_finished(pod) and self._pods.is_leaving(pod))
        errors = [] if meta.is_deleting(replica_set) else await self._manage(replica_set, active)
        again_s = await self._report(replica_set, active, terminating, errors)
        if errors and not refusal.is_namespace_ending(errors[0]):
            raise refusal.retry(self._controller.queue, key, errors[0])
        return again_s

    async def _manage(self, replica_set: Object, active: list[Object]) -> list[ApiError]:
        missing = plan.missing(replica_set, len(active))
        if missing > 0:
            return await batches.slow_start(range(missing), lambda _: self._create(replica_set))
        if missing < 0:
            victims = plan.victims(active, self._related(replica_set, active), -missing, self._clock())
            return await batches.each(victims, lambda pod: self._delete(replica_set, pod))
        return []

    async def _create(self, replica_set: Object) -> None:
        owner = self._family.resource
        pod = pods.from_template(replica_set["spec"]["template"], replica_set, owner.api_version, owner.kind)
        try:
            created = await self._client.create(PODS, pod)
        except ApiError as error:
            if not refusal.is_namespace_ending(error):
                self._recorder.say(replica_set, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self._pods.wrote(created)
        self._recorder.say(replica_set, "Normal", "SuccessfulCreate", f"Created pod: {meta.name(created)}")

    async def _delete(self, replica_set: Object, pod: Object) -> None:
        name = meta.name(pod)
        try:
            await self._client.delete(PODS, name, meta.namespace(pod), uid=meta.uid(pod))
        except NotFound:
            pass
        except ApiError as error:
            self._recorder.say(replica_set, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            raise
        self._pods.deleted(pod)
        self._recorder.say(replica_set, "Normal", "SuccessfulDelete", f"Deleted pod: {name}")

    def _related(self, replica_set: Object, active: list[Object]) -> list[Object]:
        """Active pods of all sets that the same owner controls: where several versions crowd a node, thin that one out."""
        owner = meta.controller_of(replica_set)
        if owner is None:
            return active
        uids = {meta.uid(each) for each in self._sets.indexed(owner["uid"])}
        return [pod for uid in uids for pod in self._pods.indexed(uid) if pods.is_active(pod)]

    async def _report(self, replica_set: Object, active: list[Object], terminating: int, errors: list[ApiError]) -> float | None:
        failure = None
        if errors:
            wanted = (replica_set.get("spec") or {}).get("replicas", 1)
            failure = ("FailedCreate" if wanted > len(active) else "FailedDelete", errors[0].message)
        status, again_s = plan.status(replica_set, active, terminating, failure, self._clock())
        status = self._family.shown(status)
        if status != replica_set.get("status"):
            try:
                self._sets.wrote(await self._client.update_status(self._family.resource, replica_set | {"status": status}))
            except NotFound:
                return None
        return again_s

    def _sets_of_orphan(self, pod: Object) -> list[str]:
        """Sets that may want to adopt a pod that nobody controls."""
        if meta.controller_of(pod) is not None or meta.is_deleting(pod):
            return []
        namespace, labels = meta.namespace(pod), meta.labels(pod)
        if not labels:
            return []
        return [
            meta.key(each)
            for each in self._sets.informer.items()
            if meta.namespace(each) == namespace and self._family.selector(each).matches(labels)
        ]
