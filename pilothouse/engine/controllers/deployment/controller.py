"""Rolls a Deployment from one ReplicaSet to the next, a step each time its sets or pods change."""

import asyncio
import time
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller, owner_key
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers import pods, refusal
from pilothouse.engine.controllers.deployment import facts, plan
from pilothouse.engine.controllers.deployment import revision as revisions
from pilothouse.engine.controllers.deployment import status as statuses
from pilothouse.engine.controllers.deployment.plan import Scale
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.engine.controllers.ownership import Owner
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import DEPLOYMENTS, PODS, REPLICASETS
from pilothouse.model.selector import from_label_selector

WORKERS = 5


class DeploymentController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._deployments = Fresh(informers.of(DEPLOYMENTS))
        self._sets = Fresh(informers.of(REPLICASETS), "controller", pods.by_controller_uid)
        self._pods = Fresh(informers.of(PODS), "controller", pods.by_controller_uid)
        self._owner = Owner(client, DEPLOYMENTS, self._sets)
        self._controller = Controller("deployment", self.reconcile, workers=WORKERS)
        self._controller.watches(self._deployments.informer)
        self._controller.watches(self._sets.informer, self._deployments_of_set)
        self._pods.informer.on_change(self._pod_changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        deployment = self._deployments.get(key)
        if deployment is None:
            return None
        sets = await self._owner.claim(deployment, from_label_selector(facts.spec(deployment).get("selector")))
        if meta.is_deleting(deployment):
            return await self._show(deployment, statuses.of(deployment, revisions.current(deployment, sets), sets, self._clock()))
        deployment = await self._note_pause(deployment)
        if facts.spec(deployment).get("paused") or plan.is_scaling(deployment, sets):
            return await self._resize(deployment, sets)
        if facts.is_rolling(deployment):
            return await self._roll(deployment, sets)
        return await self._recreate(deployment, sets)

    async def _note_pause(self, deployment: Object) -> Object:
        status = statuses.paused(deployment, self._clock())
        return deployment if status is None else await self._write_status(deployment, status)

    async def _resize(self, deployment: Object, sets: list[Object]) -> float | None:
        new, old = self._split(deployment, sets)
        if new is not None:
            deployment, new = await self._renumber(deployment, new, old)
        changed = await self._scale_all(deployment, plan.resize(deployment, new, old))
        new, old = _replaced(new, old, changed)
        if facts.spec(deployment).get("paused"):
            await self._clean_up(deployment, old)
        return await self._show(deployment, statuses.of(deployment, new, _all(new, old), self._clock()))

    async def _roll(self, deployment: Object, sets: list[Object]) -> float | None:
        old_and_new = await self._with_new(deployment, sets)
        if old_and_new is None:
            return None
        deployment, new, old = old_and_new
        changed = await self._scale_all(deployment, plan.rolling(deployment, new, old))
        now_new, old = _replaced(new, old, changed)
        if not changed and facts.is_complete(deployment, facts.status(deployment)):
            await self._clean_up(deployment, old)
        return await self._show_rollout(deployment, now_new, old)

    async def _recreate(self, deployment: Object, sets: list[Object]) -> float | None:
        new, old = self._split(deployment, sets)
        changed = await self._scale_all(deployment, plan.recreate_down(old))
        if changed or self._has_old_pods(new, old):
            new, old = _replaced(new, old, changed)
            return await self._show_rollout(deployment, new, old)
        old_and_new = await self._with_new(deployment, sets)
        if old_and_new is None:
            return None
        deployment, created, old = old_and_new
        wanted = facts.size(deployment)
        changed = await self._scale_all(deployment, [Scale(created, wanted)] if facts.size(created) != wanted else [])
        new, old = _replaced(created, old, changed)
        if facts.is_complete(deployment, facts.status(deployment)):
            await self._clean_up(deployment, old)
        return await self._show_rollout(deployment, new, old)

    def _split(self, deployment: Object, sets: list[Object]) -> tuple[Object | None, list[Object]]:
        new = revisions.current(deployment, sets)
        return new, [each for each in sets if each is not new]

    def _has_old_pods(self, new: Object | None, old: list[Object]) -> bool:
        if facts.actual(old):
            return True
        return any(not pods.is_finished(pod) for each in old for pod in self._pods.indexed(meta.uid(each)))

    async def _with_new(self, deployment: Object, sets: list[Object]) -> tuple[Object, Object, list[Object]] | None:
        """The Deployment, its current set (made when there is none) and the old ones; None when making it has to be tried anew."""
        new, old = self._split(deployment, sets)
        if new is not None:
            deployment, new = await self._renumber(deployment, new, old)
            return deployment, new, old
        number = revisions.next_revision(old)
        size = plan.first_size(deployment, old)
        made = await self._make(deployment, revisions.build(deployment, number, size))
        if made is None:
            return None
        new, is_ours = made
        if is_ours and size:
            self._say_scaled(deployment, new, 0, size)
        reason = ("NewReplicaSetCreated", "Created new replica set") if is_ours else ("FoundNewReplicaSet", "Found new replica set")
        deployment = await self._note_revision(deployment, new, *reason)
        return deployment, new, old

    async def _make(self, deployment: Object, wanted: Object) -> tuple[Object, bool] | None:
        try:
            created = await self._client.create(REPLICASETS, wanted)
        except AlreadyExists:
            return await self._find_made(deployment, wanted)
        except ApiError as error:
            if refusal.is_namespace_ending(error):
                return None
            await self._note_failure(deployment, wanted, error)
            raise refusal.retry(self._controller.queue, meta.key(deployment), error) from error
        self._sets.wrote(created)
        return created, True

    async def _find_made(self, deployment: Object, wanted: Object) -> tuple[Object, bool] | None:
        """A set of that name is either ours, and the cache has not shown it yet, or another template's: then the next hash is used."""
        found = await self._client.get(REPLICASETS, meta.name(wanted), meta.namespace(wanted))
        owner = meta.controller_of(found)
        if owner is not None and owner["uid"] == meta.uid(deployment) and revisions.is_same_template(deployment, found):
            self._sets.wrote(found)
            return found, False
        collisions = facts.status(deployment).get("collisionCount") or 0
        await self._write_status(deployment, facts.status(deployment) | {"collisionCount": collisions + 1})
        self._controller.queue.add(meta.key(deployment))
        return None

    async def _note_failure(self, deployment: Object, wanted: Object, error: ApiError) -> None:
        message = f'Failed to create new replica set "{meta.name(wanted)}": {error.message}'
        self._recorder.say(deployment, "Warning", "ReplicaSetCreateError", message)
        if facts.has_deadline(deployment):
            failure = statuses.condition("Progressing", "False", "ReplicaSetCreateError", message)
            await self._show(deployment, statuses.with_condition(facts.status(deployment), failure, self._clock()))

    async def _renumber(self, deployment: Object, new: Object, old: list[Object]) -> tuple[Object, Object]:
        wanted = revisions.as_current(deployment, new, revisions.next_revision(old))
        if wanted is not new:
            new = await self._client.update(REPLICASETS, wanted)
            self._sets.wrote(new)
        return await self._note_revision(deployment, new, "FoundNewReplicaSet", "Found new replica set"), new

    async def _note_revision(self, deployment: Object, new: Object, reason: str, words: str) -> Object:
        """The revision of its current set is noted on the Deployment; a first Progressing condition starts the deadline."""
        number = meta.annotations(new).get(facts.REVISION)
        if number is not None and meta.annotations(deployment).get(facts.REVISION) != number:
            metadata = deployment["metadata"] | {"annotations": meta.annotations(deployment) | {facts.REVISION: number}}
            deployment = await self._client.update(DEPLOYMENTS, deployment | {"metadata": metadata})
            self._deployments.wrote(deployment)
            is_news = True
        else:
            is_news = meta.condition(deployment, "Progressing") is None
        if not is_news or not facts.has_deadline(deployment):
            return deployment
        progress = statuses.condition("Progressing", "True", reason, f'{words} "{meta.name(new)}"')
        status = statuses.with_condition(facts.status(deployment), progress, self._clock())
        return await self._write_status(deployment, status)

    async def _scale_all(self, deployment: Object, scales: list[Scale]) -> list[Object]:
        """Returns the sets as they are after that, those that changed."""
        return [changed for scale in scales if (changed := await self._scale(deployment, *scale)) is not None]

    async def _scale(self, deployment: Object, replica_set: Object, replicas: int) -> Object | None:
        wanted = revisions.with_size(deployment, replica_set, replicas)
        if wanted is replica_set:
            return None
        changed = await self._client.update(REPLICASETS, wanted)
        self._sets.wrote(changed)
        if facts.size(replica_set) != replicas:
            self._say_scaled(deployment, replica_set, facts.size(replica_set), replicas)
        return changed

    def _say_scaled(self, deployment: Object, replica_set: Object, before: int, after: int) -> None:
        direction = "up" if after > before else "down"
        message = f"Scaled {direction} replica set {meta.name(replica_set)} from {before} to {after}"
        self._recorder.say(deployment, "Normal", "ScalingReplicaSet", message)

    async def _clean_up(self, deployment: Object, old: list[Object]) -> None:
        for each in plan.to_clean_up(deployment, old):
            try:
                await self._client.delete(REPLICASETS, meta.name(each), meta.namespace(each), uid=meta.uid(each))
            except NotFound:
                continue
            self._sets.deleted(each)

    async def _show_rollout(self, deployment: Object, new: Object | None, old: list[Object]) -> float | None:
        return await self._show(deployment, statuses.rolled(deployment, new, _all(new, old), self._clock()))

    async def _show(self, deployment: Object, status: Object) -> float | None:
        if status != facts.status(deployment):
            await self._write_status(deployment, status)
        return statuses.check_again_in(deployment, status, self._clock())

    async def _write_status(self, deployment: Object, status: Object) -> Object:
        written = await self._client.update_status(DEPLOYMENTS, deployment | {"status": status})
        self._deployments.wrote(written)
        return written

    def _deployments_of_set(self, replica_set: Object) -> list[str]:
        owner = owner_key(DEPLOYMENTS)(replica_set)
        if isinstance(owner, str):
            return [owner]
        if meta.controller_of(replica_set) is not None:
            return []
        return [meta.key(each) for each in self._deployments.informer.items() if _may_adopt(each, replica_set)]

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """A Recreate rollout goes on when the last pod is gone, which no ReplicaSet shows."""
        if old is None or (new is not None and not pods.is_finished(new)):
            return
        owner = meta.controller_of(old)
        replica_set = (
            self._sets.get(f"{meta.namespace(old)}/{owner['name']}") if owner is not None and owner["kind"] == "ReplicaSet" else None
        )
        key = None if replica_set is None else owner_key(DEPLOYMENTS)(replica_set)
        deployment = self._deployments.get(key) if isinstance(key, str) else None
        if deployment is not None and not facts.is_rolling(deployment):
            self._controller.queue.add(meta.key(deployment))


def _all(new: Object | None, old: list[Object]) -> list[Object]:
    return old if new is None else [*old, new]


def _replaced(new: Object | None, old: list[Object], changed: list[Object]) -> tuple[Object | None, list[Object]]:
    """The sets with those that were written in the place of what they were."""
    by_uid = {meta.uid(each): each for each in changed}
    replaced = [by_uid.get(meta.uid(each), each) for each in old]
    return (None if new is None else by_uid.get(meta.uid(new), new)), replaced


def _may_adopt(deployment: Object, replica_set: Object) -> bool:
    if meta.namespace(deployment) != meta.namespace(replica_set):
        return False
    return from_label_selector(facts.spec(deployment).get("selector")).matches(meta.labels(replica_set))
