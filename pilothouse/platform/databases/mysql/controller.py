"""Keeps each instance's objects and members as its spec says, and writes its status."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import kinds, meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import conditions, labels, lifecycle, names, nodes, showing, status
from pilothouse.platform.databases.mysql.accounts.controller import AccountController
from pilothouse.platform.databases.mysql.actual import Actual, Effective, effective
from pilothouse.platform.databases.mysql.agents import Place
from pilothouse.platform.databases.mysql.cache import OWNED, Cache, instance_keys
from pilothouse.platform.databases.mysql.conditions import Picture
from pilothouse.platform.databases.mysql.events import Events
from pilothouse.platform.databases.mysql.images import Ensure, Images
from pilothouse.platform.databases.mysql.lifecycle import Stage
from pilothouse.platform.databases.mysql.monitoring import meters
from pilothouse.platform.databases.mysql.objects import programs, secrets
from pilothouse.platform.databases.mysql.objects.policy import policy
from pilothouse.platform.databases.mysql.objects.secrets import Known
from pilothouse.platform.databases.mysql.parts import Parts
from pilothouse.platform.databases.mysql.patching import REFUSED
from pilothouse.platform.databases.mysql.reaching import Reaching
from pilothouse.platform.databases.mysql.round import REFUSED_S, Round
from pilothouse.platform.databases.mysql.stopwatch import Stopwatch
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.volumes import Volumes
from pilothouse.platform.databases.resource import BACKUPS, BINDINGS, MYSQLS

REMOVED = (*OWNED, kinds.PERSISTENTVOLUMECLAIMS)
STALE_S = 0.05
"""Until the cache is looked at again that has not heard of a write of our own."""
CHECKED_S = 3600.0
"""How often certificates are looked at that nobody has changed."""
STOPPING_S = 1.0
"""How often members of an instance that goes are told to stop that have not heard it."""
VOLATILE_S = 10.0
"""How often positions, lags and sizes are written, which change all the time."""


class InstanceController:
    """ensure_image: see `images`. program: of the agents. accounts: what accounts are to be. place: where a pod's agent is."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        ensure_image: Ensure,
        program: bytes,
        accounts: AccountController,
        *,
        place: Callable[[Object], Place | None] = Place.of,
    ) -> None:
        self.client = client
        self.cache = Cache(client, informers)
        self.nodes = informers.of(kinds.NODES)
        self.volumes = Volumes(client, informers)
        self.bindings = informers.of(BINDINGS, indexes={"instance": _bound_keys})
        self.controller = Controller("databases", self.reconcile, workers=4)
        again = self.controller.queue.add
        self.parts = Parts(
            client,
            self.cache,
            recorder,
            Events(client),
            Images(ensure_image, again),
            Reaching(again, place),
            program,
            inside=accounts.parts,
            policy=lambda instance: policy(instance, self._bindings(instance), nodes.ranges(self.nodes.items())),
            moves=Stopwatch(),
        )
        self.accounts = accounts
        self._checked: dict[str, tuple[tuple[str, ...], float]] = {}
        self._written: dict[str, float] = {}
        self._decided: dict[str, tuple[str, int]] = {}
        self.controller.watches(self.cache.instances)
        for informer in self.cache.informers:
            self.controller.watches(informer, instance_keys)
        self.controller.watches(self.bindings, _bound_keys)
        self.volumes.watch(self.controller)
        self.nodes.on_change(self._node_changed)
        configs = self.cache.of_kind[kinds.CONFIGMAPS.kind][1]
        configs.on_change(lambda old, new: programs.share(new, program) if new is not None else None)
        accounts.on_change(again)
        backups = informers.of(BACKUPS)
        meters.read(lambda: (self.cache.instances.items(), backups.items()))

    async def run(self, ready: asyncio.Event | None = None) -> None:
        try:
            await self.controller.run(ready)
        finally:
            await self.parts.reaching.close()
            await self.parts.images.close()

    async def reconcile(self, key: str) -> float | None:
        instance = self.cache.instances.get(key)
        if instance is None or (meta.is_deleting(instance) and labels.FINALIZER not in meta.finalizers(instance)):
            self._forget(key)
            return None
        if self._is_older(instance):
            return STALE_S
        if await self._holds(instance):
            return None
        actual = self._actual(instance)
        found = effective(instance, actual)
        namespace_goes = await self._namespace_goes(instance)
        stage = lifecycle.stage(instance, found.spec, actual.final_backup, namespace_goes=namespace_goes)
        if stage is Stage.REMOVING:
            return await self._remove(instance, actual, found, keep=namespace_goes and found.spec.deletion_protection)
        if found.faults and actual.stateful_set is None:
            await self._say(instance, Picture(faults=found.faults, replicas=found.spec.replicas), None, [])
            return None
        try:
            return await self._carry_out(instance, actual, found, suspended=stage is Stage.SUSPENDED)
        except REFUSED as error:
            await self._say(instance, Picture(refused=[error.message], pods=len(actual.pods), replicas=found.spec.replicas), None, [])
            return REFUSED_S

    async def _carry_out(self, instance: Object, actual: Actual, found: Effective, *, suspended: bool) -> float | None:
        if meta.is_deleting(instance) and lifecycle.awaits_backup(instance, found.spec, actual.final_backup) and not actual.final_backup:
            await self.client.create(BACKUPS, lifecycle.final_backup(instance, found.spec))
        if await self._takes_up(instance, actual):
            return None
        known, taken = await self._secrets(instance, actual)
        if taken:
            await self._say(instance, Picture(taken=taken, replicas=found.spec.replicas), None, [])
            return REFUSED_S
        done = Round(self.parts, instance, actual, found, known, suspended=suspended)
        try:
            again_s = await done.run()
        finally:
            self._decided[meta.key(instance)] = meta.uid(instance), done.standing.step
        if done.is_blind:
            return again_s
        if refused := await self._see_to_volumes(instance, actual, keep=found.spec.deletion_protection):
            done.refused.append(refused)
            again_s = REFUSED_S
        self.accounts.heard(meta.key(instance), showing.inside(done))
        picture = replace(showing.picture(done), deletion=lifecycle.deletion(instance, found.spec, actual.final_backup))
        await self._say(done.instance, picture, done, showing.shown(done))
        return again_s

    async def _see_to_volumes(self, instance: Object, actual: Actual, *, keep: bool) -> str:
        """Returns why that failed, "" if it did not: whatever it is, members are looked after."""
        try:
            await self.volumes.see_to(instance, actual, keep=keep)
        except ApiError as error:
            return f"the volumes' reclaim policy: {error.message}"
        return ""

    async def _takes_up(self, instance: Object, actual: Actual) -> bool:
        """Whether it begins with the data of one that has gone, whose database has just been noted, of which the cluster tells again."""
        status = instance.get("status") or {}
        first = actual.claims.get(names.claim(names.member(meta.name(instance), 0)))
        if first is None or status.get("seeded") or status.get("database") or not (database := await self.volumes.database(first)):
            return False
        await self.parts.write_status(instance, status | {"database": database})
        return True

    async def _holds(self, instance: Object) -> bool:
        """Whether the finalizers had to be put right, of which the cluster tells again."""
        wanted = lifecycle.finalizers(instance)
        if sorted(wanted) == sorted(meta.finalizers(instance)):
            return False
        metadata = {"finalizers": wanted, "resourceVersion": meta.resource_version(instance)}
        await self.client.patch(MYSQLS, meta.name(instance), {"metadata": metadata}, namespace=meta.namespace(instance))
        return True

    def _actual(self, instance: Object) -> Actual:
        cache = self.cache
        backups = {meta.name(each): each for each in cache.found(BACKUPS, instance)}
        members = {meta.name(each): each for each in cache.found(kinds.PODS, instance) if _is_member(instance, each)}
        return Actual(
            cache.own(kinds.SECRETS, instance),
            cache.own(kinds.PERSISTENTVOLUMECLAIMS, instance),
            dict(sorted(members.items())),
            cache.own(kinds.STATEFULSETS, instance).get(meta.name(instance)),
            backups.get(names.final_backup(instance)),
        )

    async def _namespace_goes(self, instance: Object) -> bool:
        if not meta.is_deleting(instance):
            return False
        return lifecycle.is_going(await self.client.get_or_none(kinds.NAMESPACES, meta.namespace(instance)))

    async def _secrets(self, instance: Object, actual: Actual) -> tuple[Known, list[str]]:
        """What they hold, and which of their names somebody else's have. Keys and certificates are looked at when something is new."""
        versions = (names.database(instance), *(meta.resource_version(each) for _, each in sorted(actual.secrets.items())))
        known, key, now = Known.of(instance, actual.secrets), meta.key(instance), time.time()
        if known.is_whole and self._checked.get(key, ((), 0.0))[0] == versions and now < self._checked[key][1]:
            return known, []
        wanted = await asyncio.to_thread(secrets.wanted, instance, known, now)
        taken = [name for each in wanted if (name := await self.cache.ensure(instance, each))]
        self._checked[key] = (versions, now + CHECKED_S)
        return Known.of(instance, dict(actual.secrets) | {meta.name(each): each for each in wanted}), taken

    async def _remove(self, instance: Object, actual: Actual, found: Effective, *, keep: bool) -> float | None:
        """Pods first, then volumes and all else, and the instance itself when nothing of it is left.

        keep: whether the data stay on the volumes, with a note of what they are.
        """
        await self._stop(instance, actual, found)
        refused: list[str] = []
        try:
            again_s, is_clear = await self._clear(instance, actual, keep=keep)
        except REFUSED as error:
            again_s, is_clear, refused = REFUSED_S, False, [error.message]
        if is_clear:
            rest = [each for each in meta.finalizers(instance) if each != labels.FINALIZER]
            await self.client.patch(MYSQLS, meta.name(instance), {"metadata": {"finalizers": rest}}, namespace=meta.namespace(instance))
            return None
        said = lifecycle.deletion(instance, found.spec.model_copy(update={"deletion_protection": False, "final_backup": False}), None)
        picture = Picture(deletion=said, refused=refused, pods=len(actual.pods), replicas=found.spec.replicas)
        await self._say(instance, picture, None, [])
        return again_s

    async def _clear(self, instance: Object, actual: Actual, *, keep: bool) -> tuple[float | None, bool]:
        """When to look again, and whether nothing of it is left."""
        if actual.stateful_set is not None and not meta.is_deleting(actual.stateful_set):
            await self.cache.remove(actual.stateful_set)
        if actual.stateful_set is not None or actual.pods:
            return STOPPING_S, False
        if not await self.volumes.see_to(instance, actual, keep=keep) or (keep and not await self.volumes.leave(instance)):
            return STALE_S, False
        left = [each for kind in REMOVED for each in self.cache.own(kind, instance).values()]
        for each in left:
            if not meta.is_deleting(each):
                await self.cache.remove(each)
        return None, not left

    async def _stop(self, instance: Object, actual: Actual, found: Effective) -> None:
        """A namespace that goes takes the keys first by which members are reached."""
        known = Known.of(instance, actual.secrets)
        if actual.pods and known.is_whole:
            await Round(self.parts, instance, actual, found, known, suspended=True).stop()
        else:
            self.parts.reaching.forget(meta.key(instance))

    def _bindings(self, instance: Object) -> list[Object]:
        return self.bindings.by_index("instance", meta.key(instance))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """Policies name the nodes' addresses, of which most that nodes say of themselves says nothing."""
        if nodes.ranges([old] if old is not None else []) != nodes.ranges([new] if new is not None else []):
            for instance in self.cache.instances.items():
                self.controller.queue.add(meta.key(instance))

    def _forget(self, key: str) -> None:
        self.parts.reaching.forget(key)
        self.parts.moves.forget(key)
        self._checked.pop(key, None)
        self._written.pop(key, None)
        self._decided.pop(key, None)

    def _is_older(self, instance: Object) -> bool:
        """Whether the cache has not heard yet of what this operator has decided: by that it would take its own orders back."""
        uid, step = self._decided.get(meta.key(instance), ("", 0))
        return uid == meta.uid(instance) and Standing.of(instance.get("status") or {}).step < step

    async def _say(self, instance: Object, picture: Picture, done: Round | None, shown: list[Object]) -> None:
        """Writes what is new; what changes all the time now and then only."""
        key, now = meta.key(instance), time.time()
        server = done.server if done is not None else None
        old: Object = instance.get("status") or {}
        new = status.status(instance, picture, server, shown, meta.rfc3339(now))
        is_due = now - self._written.setdefault(key, now) > VOLATILE_S
        if status.is_same(old, new, volatile=is_due):
            return
        self._written[key] = now
        self._announce(instance, old, new)
        await self.parts.write_status(instance, new)

    def _announce(self, instance: Object, old: Object, new: Object) -> None:
        """An Event when a condition has another reason than before."""
        before = {each["type"]: each for each in old.get("conditions") or ()}
        for each in new["conditions"]:
            was = before.get(each["type"]) or {}
            if (
                each["type"] in _ANNOUNCED
                and (was.get("status"), was.get("reason")) != (each["status"], each["reason"])
                and each["message"]
            ):
                kind = "Warning" if each["status"] == "False" and each["reason"] not in conditions.ON_THE_WAY else "Normal"
                self.parts.recorder.say(instance, kind, each["reason"], each["message"])


_ANNOUNCED = (conditions.READY, conditions.ACCEPTED, conditions.RESIZED, conditions.ROOMY, conditions.DELETING, conditions.ROTATED)


def _bound_keys(binding: Object) -> list[str]:
    """The instance that an app is bound to."""
    service = binding["spec"]["service"]
    return [f"{meta.namespace(binding)}/{service['name']}"] if service.get("kind", MYSQLS.kind) == MYSQLS.kind else []


def _is_member(instance: Object, pod: Object) -> bool:
    """Pods of Jobs that work for it carry its name under another label; a member is of its StatefulSet."""
    owner = meta.controller_of(pod)
    return owner is not None and owner["kind"] == kinds.STATEFULSETS.kind and owner["name"] == meta.name(instance)
