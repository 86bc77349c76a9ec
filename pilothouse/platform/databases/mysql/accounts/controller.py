"""Sees to the accounts and databases of each instance, one after the other; what the primary is to be told is asked of it.

It speaks to no server: `parts` is what the operator puts into the primary's orders, and `heard` what the primary has said of them.
Passwords are in Secrets and in what `parts` returns, and nowhere else.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Callable, Mapping

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.client.watched import Reference, WatchedObjects
from pilothouse.model import kinds, meta
from pilothouse.model.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound
from pilothouse.model.json import Object, fingerprint
from pilothouse.model.resource import Resource
from pilothouse.platform.databases.mysql.accounts import wanted
from pilothouse.platform.databases.mysql.accounts.names import (
    DROP_LATER,
    instance_key,
    instance_of,
    is_left_over,
    own_secret,
    secret_of,
)
from pilothouse.platform.databases.mysql.accounts.plan import plan
from pilothouse.platform.databases.mysql.accounts.rotation import random_password
from pilothouse.platform.databases.mysql.accounts.saying import refused
from pilothouse.platform.databases.mysql.accounts.seen import Seen, Steps
from pilothouse.platform.databases.resource import MYSQL_DATABASES, MYSQL_USERS, MYSQLS

REFUSED = (BadRequest, Forbidden, Invalid)
"""What the server says to an object that it will not have, such as one beyond a quota; tried again."""
_RESOURCES: dict[str, Resource] = {each.kind: each for each in (MYSQLS, MYSQL_USERS, MYSQL_DATABASES)}


class AccountController:
    """Its key is that of an instance. Secrets are watched one by one, as long as an object names them."""

    def __init__(self, client: Client, informers: Informers, recorder: Recorder, now_s: Callable[[], float] = time.time) -> None:
        self.client = client
        self.recorder = recorder
        self.now_s = now_s
        self.instances = informers.of(MYSQLS)
        self.users = informers.of(MYSQL_USERS, indexes={"instance": _instance_keys, "secret": _secret_keys})
        self.databases = informers.of(MYSQL_DATABASES, indexes={"instance": _instance_keys})
        self.secrets = WatchedObjects(client, self._secret_changed)
        self._heard: dict[str, Mapping[str, Object]] = {}
        self._told: dict[str, bytes] = {}
        self._changed: list[Callable[[str], None]] = []
        self.instances.on_change(self._hold_own_secret)
        self.users.on_change(self._hold_secret)
        self.controller = Controller("accounts", self.reconcile, workers=2)
        self.controller.watches(self.instances)
        self.controller.watches(self.users, instance_key)
        self.controller.watches(self.databases, instance_key)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        try:
            await self.controller.run(ready)
        finally:
            await self.secrets.close()

    def on_change(self, callback: Callable[[str], None]) -> None:
        """callback: called with an instance's key when what `parts` returns for it has changed."""
        self._changed.append(callback)

    def parts(self, instance: Object) -> Object:
        """`accounts`, `databases` and `dropped` of the primary's orders, with passwords: to be sent, and never kept or logged."""
        seen = self._seen(meta.key(instance))
        given = (instance, seen.users, seen.databases, seen.secrets)
        return {
            "accounts": wanted.accounts_of(*given),
            "databases": wanted.databases_of(*given),
            "dropped": wanted.dropped_of(*given),
        }

    def heard(self, key: str, objects: Mapping[str, Object]) -> None:
        """What the primary of the instance has by now: `account/NAME` and `database/NAME`, each with version and error."""
        if self._heard.get(key) != objects:
            self._heard[key] = objects
            self.controller.queue.add(key)

    async def reconcile(self, key: str) -> float | None:
        instance = self.instances.get(key)
        if instance is None:
            self._heard.pop(key, None)
        await self.secrets.synced(self._references(key))
        steps = plan(self._seen(key), random_password)
        await self._carry_out(instance, steps)
        self._tell(key)
        return steps.again_s

    def _seen(self, key: str) -> Seen:
        references = {ref.name: secret for ref in self._references(key) if (secret := self.secrets.known(ref)) is not None}
        instance = self.instances.get(key)
        users, databases = self.users.by_index("instance", key), self.databases.by_index("instance", key)
        left_over = [each for each in (*users, *databases) if is_left_over(each, instance)]
        users, databases = ([each for each in found if not is_left_over(each, instance)] for found in (users, databases))
        return Seen(instance, users, databases, references, self._heard.get(key), self.now_s(), left_over)

    def _references(self, key: str) -> list[Reference]:
        namespace, _, name = key.partition("/")
        names = {own_secret(name), *(secret_of(user) for user in self.users.by_index("instance", key))}
        return [_secret(namespace, each) for each in names]

    async def _carry_out(self, instance: Object | None, steps: Steps) -> None:
        """An object that has gone meanwhile needs nothing more; what somebody else has written is looked at anew."""
        for obj, finalizers in steps.finalizers:
            await self._patch(obj, {"metadata": {"finalizers": finalizers, "resourceVersion": meta.resource_version(obj)}})
        for obj in steps.remove:
            await self._delete(obj)
        for secret in steps.secrets:
            await self._write_secret(secret)
        if instance is not None and steps.drop_later is not None:
            marks = {DROP_LATER: steps.drop_later or None}
            await self._patch(instance, {"metadata": {"annotations": marks, "resourceVersion": meta.resource_version(instance)}})
        for obj, status in steps.statuses:
            self._announce(obj, status)
            await self._patch(obj, {"status": status}, subresource="status")

    async def _write_secret(self, secret: Object) -> None:
        """Its account says when the cluster does not take it."""
        try:
            await (self.client.update if meta.resource_version(secret) else self.client.create)(kinds.SECRETS, secret)
        except REFUSED as error:
            owner = meta.controller_of(secret) or {}
            user = self.users.get(f"{meta.namespace(secret)}/{owner.get('name')}")
            if user is not None and meta.uid(user) == owner.get("uid") and (status := refused(user, error.message, self.now_s())):
                self._announce(user, status)
                await self._patch(user, {"status": status}, subresource="status")
            raise

    async def _patch(self, obj: Object, patch: Object, subresource: str | None = None) -> None:
        try:
            resource = _RESOURCES[obj["kind"]]
            await self.client.patch(resource, meta.name(obj), patch, namespace=meta.namespace(obj), subresource=subresource)
        except NotFound:
            return

    async def _delete(self, obj: Object) -> None:
        with contextlib.suppress(NotFound, Conflict):
            await self.client.delete(_RESOURCES[obj["kind"]], meta.name(obj), meta.namespace(obj), uid=meta.uid(obj))

    def _announce(self, obj: Object, status: Object) -> None:
        before, after = meta.condition(obj, "Ready") or {}, meta.condition({"status": status}, "Ready")
        if after is not None and (before.get("reason"), before.get("message")) != (after["reason"], after["message"]):
            is_trouble = after["status"] != "True" and after["reason"] not in ("Waiting", "Dropping", "Suspended")
            message = after["message"] or "the server has it"
            self.recorder.say(obj, "Warning" if is_trouble else "Normal", after["reason"], message)

    def _tell(self, key: str) -> None:
        """Those who send orders hear only of what changes these."""
        instance = self.instances.get(key)
        if instance is None:
            self._told.pop(key, None)
            return
        digest = hashlib.sha256(fingerprint(self.parts(instance))).digest()
        if self._told.get(key) != digest:
            self._told[key] = digest
            for callback in self._changed:
                callback(key)

    def _hold_secret(self, old: Object | None, new: Object | None) -> None:
        user = new or old or {}
        wanted_now = frozenset([_secret(meta.namespace(user), secret_of(user))]) if new is not None else frozenset[Reference]()
        self.secrets.hold(f"user {meta.key(user)}", wanted_now)

    def _hold_own_secret(self, old: Object | None, new: Object | None) -> None:
        instance = new or old or {}
        wanted_now = (
            frozenset([_secret(meta.namespace(instance), own_secret(meta.name(instance)))]) if new is not None else frozenset[Reference]()
        )
        self.secrets.hold(f"instance {meta.key(instance)}", wanted_now)

    def _secret_changed(self, secret: Reference) -> None:
        key = f"{secret.namespace}/{secret.name}"
        if self.instances.get(key) is not None:
            self.controller.queue.add(key)
        for user in self.users.by_index("secret", key):
            self.controller.queue.add(instance_key(user))


def named_secrets(user: Object) -> list[str]:
    """The Secret that a MySQLUser names, in its own namespace."""
    return [secret_of(user)] if instance_of(user) else []


def _secret(namespace: str, name: str) -> Reference:
    return Reference(kinds.SECRETS, namespace, name)


def _instance_keys(obj: Object) -> list[str]:
    return [instance_key(obj)]


def _secret_keys(user: Object) -> list[str]:
    return [f"{meta.namespace(user)}/{secret_of(user)}"]
