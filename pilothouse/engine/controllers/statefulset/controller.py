"""Keeps the pods of StatefulSets: each with its name, in order, of the revision that it is to have."""

import asyncio
import time
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller, owner_key
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.engine.controllers import batches, pods, refusal
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.engine.controllers.history import revisions as history
from pilothouse.engine.controllers.history.history import History, Update
from pilothouse.engine.controllers.ownership import Owner
from pilothouse.engine.controllers.statefulset import claims, facts, identity
from pilothouse.engine.controllers.statefulset import plan as plans
from pilothouse.engine.controllers.statefulset import status as statuses
from pilothouse.engine.controllers.statefulset.plan import Create, Delete, Plan, Revisions
from pilothouse.engine.controllers.statefulset.storage import Storage
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONTROLLERREVISIONS, PODS, STATEFULSETS
from pilothouse.model.selector import Selector, from_label_selector

WORKERS = 5


class StatefulSetController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._sets = Fresh(informers.of(STATEFULSETS))
        self._pods = Fresh(informers.of(PODS), "controller", pods.by_controller_uid)
        self._revisions = Fresh(informers.of(CONTROLLERREVISIONS), "controller", pods.by_controller_uid)
        self._owner = Owner(client, STATEFULSETS, self._pods, adopts_finished=True)
        self._history = History(client, STATEFULSETS, self._revisions)
        self._storage = Storage(client, recorder)
        self._claims_looked_at: dict[str, int] = {}
        """Uid of a set -> its generation by which the owners of its pods' claims were last compared."""
        self._controller = Controller("statefulset", self.reconcile, workers=WORKERS)
        self._controller.watches(self._sets.informer)
        self._controller.watches(self._pods.informer, owner_key(STATEFULSETS))
        self._controller.watches(self._pods.informer, self._sets_of_orphan)
        self._controller.watches(self._revisions.informer, owner_key(STATEFULSETS))
        self._sets.informer.on_change(self._forget)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        stateful_set = self._sets.get(key)
        if stateful_set is None:
            return None
        selector = _selector(stateful_set)
        await self._owner.claim(stateful_set, selector, lambda pod: facts.ordinal_of(stateful_set, pod) is not None)
        kept = await self._history.claim(stateful_set, selector)
        collisions = facts.status(stateful_set).get("collisionCount") or 0
        if meta.is_deleting(stateful_set):
            # Its revisions go, too: to make one anew would keep a foreground deletion from ending.
            return await self._show(stateful_set, _shown_names(stateful_set), collisions)
        update = await self._history.update(stateful_set, kept, collisions)
        names = _names(stateful_set, update)
        plan = plans.decide(stateful_set, self._owned(stateful_set), self._leaving(stateful_set), names, self._clock())
        errors = await self._carry_out(stateful_set, plan, update)
        self._say_blocked(stateful_set, plan, names)
        again_s = await self._show(stateful_set, names, update.collisions)
        await self._truncate(stateful_set, names, update.revisions)
        if errors and not refusal.is_namespace_ending(errors[0]):
            raise refusal.retry(self._controller.queue, key, errors[0])
        return again_s

    async def _carry_out(self, stateful_set: Object, plan: Plan, update: Update) -> list[ApiError]:
        """Claims first: a pod that goes takes along what its claims say by then, and one that comes needs them."""
        errors = await self._keep_claims(stateful_set)
        if errors:
            return errors
        errors = await batches.slow_start(plan.create, lambda each: self._create(stateful_set, each, update))
        errors += await batches.each(plan.relabel, lambda pod: self._relabel(stateful_set, pod))
        return errors + await batches.each(plan.delete, lambda each: self._delete(stateful_set, each))

    async def _keep_claims(self, stateful_set: Object) -> list[ApiError]:
        if not claims.templates(stateful_set):
            return []
        uid, generation = meta.uid(stateful_set), meta.generation(stateful_set)
        is_new = self._claims_looked_at.get(uid) != generation
        owned, wanted = self._owned(stateful_set), facts.ordinals(stateful_set)
        errors = await batches.each([pod for pod in owned if pods.phase(pod) == "Pending"], lambda pod: self._provide(stateful_set, pod))
        looked_at = [pod for pod in owned if is_new or facts.ordinal_of(stateful_set, pod) not in wanted]
        errors += await batches.each(looked_at, lambda pod: self._storage.own(stateful_set, pod))
        if not errors:
            self._claims_looked_at[uid] = generation
        return errors

    async def _provide(self, stateful_set: Object, pod: Object) -> None:
        ordinal = facts.ordinal_of(stateful_set, pod)
        if ordinal is not None and ordinal in facts.ordinals(stateful_set) and not self._pods.is_leaving(pod):
            await self._storage.provide(stateful_set, ordinal, meta.uid(pod))

    async def _create(self, stateful_set: Object, wanted: Create, update: Update) -> None:
        await self._storage.provide(stateful_set, wanted.ordinal)
        revision = history.named(update.revisions, wanted.revision) or update.revision
        template = history.template_of(revision) or facts.spec(stateful_set)["template"]
        pod = identity.build(stateful_set, template, wanted.ordinal, wanted.revision)
        message = f"create Pod {meta.name(pod)} in StatefulSet {meta.name(stateful_set)}"
        try:
            created = await self._client.create(PODS, pod)
        except ApiError as error:
            if not refusal.is_namespace_ending(error):
                self._recorder.say(stateful_set, "Warning", "FailedCreate", f"{message} failed error: {error.message}")
            raise
        self._pods.wrote(created)
        self._recorder.say(stateful_set, "Normal", "SuccessfulCreate", f"{message} successful")

    async def _delete(self, stateful_set: Object, victim: Delete) -> None:
        pod = victim.pod
        message = f"delete Pod {meta.name(pod)} in StatefulSet {meta.name(stateful_set)}"
        try:
            await self._client.delete(PODS, meta.name(pod), meta.namespace(pod), uid=meta.uid(pod))
        except NotFound:
            pass
        except ApiError as error:
            self._recorder.say(stateful_set, "Warning", "FailedDelete", f"{message} failed error: {error.message}")
            raise
        self._pods.deleted(pod)
        self._recorder.say(stateful_set, "Normal", "SuccessfulDelete", f"{message} successful", why=victim.why)

    async def _relabel(self, stateful_set: Object, pod: Object) -> None:
        change = {"metadata": {"uid": meta.uid(pod), "labels": identity.missing_labels(stateful_set, pod)}}
        try:
            changed = await self._client.patch(PODS, meta.name(pod), change, namespace=meta.namespace(pod), type=STRATEGIC_PATCH)
        except NotFound:
            return
        self._pods.wrote(changed)

    def _say_blocked(self, stateful_set: Object, plan: Plan, names: Revisions) -> None:
        """An update does not get past a pod of an earlier revision that never becomes ready: somebody has to delete that pod."""
        waiting = plan.waiting
        if waiting is None or waiting.again_s is not None or self._pods.is_leaving(waiting.pod):
            return
        if not facts.is_rolling(stateful_set) or facts.revision_of(waiting.pod) == names.update:
            return
        message = (
            f"Pod {meta.name(waiting.pod)} {waiting.why} and is of an earlier revision; the update goes on when it is, "
            "or when the pod is deleted"
        )
        self._recorder.say(stateful_set, "Warning", "RolloutBlocked", message)

    async def _show(self, stateful_set: Object, names: Revisions, collisions: int) -> float | None:
        owned, leaving = self._owned(stateful_set), self._leaving(stateful_set)
        status, again_s = statuses.build(stateful_set, owned, leaving, names, collisions, self._clock())
        if status != facts.status(stateful_set):
            try:
                self._sets.wrote(await self._client.update_status(STATEFULSETS, stateful_set | {"status": status}))
            except NotFound:
                return None
        return again_s

    async def _truncate(self, stateful_set: Object, names: Revisions, kept: list[Object]) -> None:
        live = {names.current, names.update} | {facts.revision_of(pod) for pod in self._owned(stateful_set)}
        await self._history.truncate(kept, live, facts.spec(stateful_set).get("revisionHistoryLimit"))

    def _owned(self, stateful_set: Object) -> list[Object]:
        owned = self._pods.indexed(meta.uid(stateful_set))
        return [pod for pod in owned if facts.ordinal_of(stateful_set, pod) is not None]

    def _leaving(self, stateful_set: Object) -> set[str]:
        return {meta.uid(pod) for pod in self._owned(stateful_set) if self._pods.is_leaving(pod)}

    def _forget(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._claims_looked_at.pop(meta.uid(old), None)

    def _sets_of_orphan(self, pod: Object) -> list[str]:
        """The set that may want to adopt a pod that nobody controls: its name says which."""
        if meta.controller_of(pod) is not None or meta.is_deleting(pod):
            return []
        name, dash, ordinal = meta.name(pod).rpartition("-")
        if not dash or not ordinal.isascii() or not ordinal.isdigit():
            return []
        found = self._sets.informer.get(f"{meta.namespace(pod)}/{name}")
        return [meta.key(found)] if found is not None and _selector(found).matches(meta.labels(pod)) else []


def _selector(stateful_set: Object) -> Selector:
    return from_label_selector(facts.spec(stateful_set).get("selector"))


def _shown_names(stateful_set: Object) -> Revisions:
    shown = facts.status(stateful_set)
    return Revisions(shown.get("currentRevision") or "", shown.get("updateRevision") or "")


def _names(stateful_set: Object, update: Update) -> Revisions:
    """The current revision is the one that the status names, while it exists."""
    current = history.named(update.revisions, facts.status(stateful_set).get("currentRevision") or "")
    newest = meta.name(update.revision)
    return Revisions(newest if current is None else meta.name(current), newest)
