"""Keeps a pod of each DaemonSet on every node that fits, and rolls its template out."""

import asyncio
import time
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller, owner_key
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers import batches, pods, refusal
from pilothouse.engine.controllers.daemonset import facts
from pilothouse.engine.controllers.daemonset import fit as fits
from pilothouse.engine.controllers.daemonset import plan as plans
from pilothouse.engine.controllers.daemonset import status as statuses
from pilothouse.engine.controllers.daemonset.backoff import Backoff
from pilothouse.engine.controllers.daemonset.plan import Delete, Scene
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.engine.controllers.history import revisions as history
from pilothouse.engine.controllers.history.history import History
from pilothouse.engine.controllers.ownership import Owner
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS
from pilothouse.model.selector import Selector, from_label_selector

WORKERS = 2


class DaemonSetController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._backoff = Backoff()
        self._sets = Fresh(informers.of(DAEMONSETS))
        self._pods = Fresh(informers.of(PODS), "controller", pods.by_controller_uid)
        self._nodes = informers.of(NODES)
        self._owner = Owner(client, DAEMONSETS, self._pods)
        revisions = Fresh(informers.of(CONTROLLERREVISIONS), "controller", pods.by_controller_uid)
        self._history = History(client, DAEMONSETS, revisions)
        self._controller = Controller("daemonset", self.reconcile, workers=WORKERS)
        self._controller.watches(self._sets.informer)
        self._controller.watches(self._pods.informer, owner_key(DAEMONSETS))
        self._controller.watches(self._pods.informer, self._sets_of_orphan)
        self._controller.watches(revisions.informer, owner_key(DAEMONSETS))
        # By the difference that a change of a node makes, since nodes change all the time.
        self._controller.watches(self._nodes, lambda _: ())
        self._nodes.on_change(self._node_changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        daemon_set = self._sets.get(key)
        if daemon_set is None or meta.is_deleting(daemon_set):
            return None
        selector = _selector(daemon_set)
        await self._owner.claim(daemon_set, selector)
        collisions = facts.status(daemon_set).get("collisionCount") or 0
        update = await self._history.update(daemon_set, await self._history.claim(daemon_set, selector), collisions)
        hash_ = history.hash_label(update.revision)
        plan = plans.decide(self._scene(daemon_set, hash_))
        errors = await batches.slow_start(plan.create, lambda node: self._create(daemon_set, node, hash_))
        errors += await batches.each(plan.delete, lambda each: self._delete(daemon_set, each))
        again_s = await self._show(daemon_set, self._scene(daemon_set, hash_), update.collisions)
        live = {meta.name(each) for each in update.revisions if history.hash_label(each) in self._hashes(daemon_set) | {hash_}}
        await self._history.truncate(update.revisions, live, facts.spec(daemon_set).get("revisionHistoryLimit"))
        if errors and not refusal.is_namespace_ending(errors[0]):
            raise refusal.retry(self._controller.queue, key, errors[0])
        return min((each for each in (again_s, plan.again_s) if each is not None), default=None)

    def _scene(self, daemon_set: Object, hash_: str) -> Scene:
        owned, now, uid = self._pods.indexed(meta.uid(daemon_set)), self._clock(), meta.uid(daemon_set)
        return Scene(
            daemon_set,
            {meta.name(node): fits.fit(daemon_set, node) for node in self._nodes.items()},
            facts.by_node(owned),
            {meta.uid(pod) for pod in owned if self._pods.is_leaving(pod)},
            hash_,
            now,
            lambda node: self._backoff.wait_s(uid, node, now),
        )

    def _hashes(self, daemon_set: Object) -> set[str]:
        return {meta.labels(pod).get(facts.HASH_LABEL, "") for pod in self._pods.indexed(meta.uid(daemon_set))}

    async def _create(self, daemon_set: Object, node: str, hash_: str) -> None:
        try:
            created = await self._client.create(PODS, fits.build(daemon_set, node, hash_))
        except ApiError as error:
            if not refusal.is_namespace_ending(error):
                self._recorder.say(daemon_set, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self._pods.wrote(created)
        self._recorder.say(daemon_set, "Normal", "SuccessfulCreate", f"Created pod: {meta.name(created)}", node=node)

    async def _delete(self, daemon_set: Object, victim: Delete) -> None:
        pod, name = victim.pod, meta.name(victim.pod)
        if victim.node:
            self._backoff.note(meta.uid(daemon_set), victim.node, self._clock())
            message = f"Found failed daemon pod {meta.key(pod)} on node {victim.node}, will try to kill it"
            self._recorder.say(daemon_set, "Warning", "FailedDaemonPod", message)
        try:
            await self._client.delete(PODS, name, meta.namespace(pod), uid=meta.uid(pod))
        except NotFound:
            pass
        except ApiError as error:
            self._recorder.say(daemon_set, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            raise
        self._pods.deleted(pod)
        self._recorder.say(daemon_set, "Normal", "SuccessfulDelete", f"Deleted pod: {name}", why=victim.why)

    async def _show(self, daemon_set: Object, scene: Scene, collisions: int) -> float | None:
        status, again_s = statuses.build(scene, collisions)
        if status != facts.status(daemon_set):
            try:
                self._sets.wrote(await self._client.update_status(DAEMONSETS, daemon_set | {"status": status}))
            except NotFound:
                return None
        return again_s

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """A node that comes, goes or begins to fit differently matters to the sets for which it does."""
        if old is not None and new is not None and _fitting(old) == _fitting(new):
            return
        for each in self._sets.informer.items():
            before, after = (None if node is None else fits.fit(each, node) for node in (old, new))
            if before != after:
                self._controller.queue.add(meta.key(each))

    def _sets_of_orphan(self, pod: Object) -> list[str]:
        """Sets that may want to adopt a pod that nobody controls."""
        if meta.controller_of(pod) is not None or meta.is_deleting(pod) or not meta.labels(pod):
            return []
        namespace, labels = meta.namespace(pod), meta.labels(pod)
        return [
            meta.key(each) for each in self._sets.informer.items() if meta.namespace(each) == namespace and _selector(each).matches(labels)
        ]


def _fitting(node: Object) -> tuple[object, object]:
    """What of a node decides whether it fits."""
    return meta.labels(node), (node.get("spec") or {}).get("taints")


def _selector(daemon_set: Object) -> Selector:
    return from_label_selector(facts.spec(daemon_set).get("selector"))
