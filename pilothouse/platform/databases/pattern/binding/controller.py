"""Keeps what each Binding stands for: an account of the service, a Secret with variables, and the App that names it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller, owner_key
from pilothouse.client.informer import Informer
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.client.watched import Reference, WatchedObjects
from pilothouse.model import kinds, meta
from pilothouse.model.errors import BadRequest, Forbidden, Invalid, NotFound
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.binding.app import APPS
from pilothouse.platform.databases.pattern.binding.names import app_of, kind_of, secret_of, service_of
from pilothouse.platform.databases.pattern.binding.plan import plan
from pilothouse.platform.databases.pattern.binding.saying import refused
from pilothouse.platform.databases.pattern.binding.seen import Plan, Seen
from pilothouse.platform.databases.pattern.binding.service import BackingService
from pilothouse.platform.databases.resource import BINDINGS

REFUSED = (BadRequest, Forbidden, Invalid)
"""What the server says to an object that it will not have: shown in the Ready condition, and tried again."""
_PASSING = frozenset(["Waiting", "Joining", "RollingOut", "Unbinding", "Draining"])


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of service, with what is known of its objects."""

    service: BackingService
    instances: Informer
    accounts: Informer
    databases: Informer


class BindingController:
    """services: by kind. Secrets are watched one by one, as long as a Binding stands for them."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        services: Mapping[str, BackingService],
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.client = client
        self.recorder = recorder
        self.now_s = now_s
        self.services = services
        self.bindings = informers.of(BINDINGS, indexes={"app": _app_keys, "service": _service_keys, "secret": self._secret_keys})
        self.apps = informers.of(APPS)
        self.kinds = {kind: self._known(informers, service) for kind, service in services.items()}
        self.secrets = WatchedObjects(client, self._secret_changed)
        self.bindings.on_change(self._hold_secrets)
        self.controller = Controller("bindings", self.reconcile, workers=2)
        self.controller.watches(self.bindings)
        # Those that share an app may be in each other's way.
        self.controller.watches(self.bindings, lambda binding: self._of_app(f"{meta.namespace(binding)}/{app_of(binding)}"))
        self.controller.watches(self.apps, lambda app: self._of_app(meta.key(app)))
        for each in self.kinds.values():
            self.controller.watches(each.instances, lambda instance: self._of_service(meta.key(instance)))
            self.controller.watches(each.accounts, owner_key(BINDINGS))
            self.controller.watches(each.databases, lambda database: self._of_service(_instance_keys(database)[0]))

    async def run(self, ready: asyncio.Event | None = None) -> None:
        try:
            await self.controller.run(ready)
        finally:
            await self.secrets.close()

    async def reconcile(self, key: str) -> float | None:
        binding = self.bindings.get(key)
        kind = self.kinds.get(kind_of(binding)) if binding is not None else None
        if binding is None or kind is None:
            return None
        await self.secrets.synced(self._references(binding))
        seen = self._seen(binding, kind)
        todo = plan(binding, seen, kind.service, self.now_s())
        try:
            await self._carry_out(binding, seen, kind, todo)
        except REFUSED as error:
            await self._write_status(binding, refused(binding, seen, error.message, self.now_s()))
            raise
        await self._write_status(binding, todo.status)
        return todo.again_s

    async def _carry_out(self, binding: Object, seen: Seen, kind: _Kind, todo: Plan) -> None:
        """Lists are written as of the version that was read: what somebody else adds at the same time is not lost."""
        if todo.finalizers is not None:
            await self._patch_binding(binding, {"metadata": _as_of(binding) | {"finalizers": todo.finalizers}})
        if todo.account is not None and meta.resource_version(todo.account):
            change = {"metadata": _as_of(todo.account), "spec": todo.account["spec"]}
            await self.client.patch(kind.service.accounts, meta.name(todo.account), change, namespace=meta.namespace(binding))
        elif todo.account is not None:
            await self.client.create(kind.service.accounts, todo.account)
        if todo.secret is not None:
            await (self.client.update if meta.resource_version(todo.secret) else self.client.create)(kinds.SECRETS, todo.secret)
        if todo.secrets_of_app is not None and seen.app is not None:
            change = {"metadata": _as_of(seen.app), "spec": {"secrets": todo.secrets_of_app}}
            await self.client.patch(APPS, meta.name(seen.app), change, namespace=meta.namespace(binding))

    async def _patch_binding(self, binding: Object, change: Object, subresource: str | None = None) -> None:
        try:
            await self.client.patch(BINDINGS, meta.name(binding), change, namespace=meta.namespace(binding), subresource=subresource)
        except NotFound:
            return

    async def _write_status(self, binding: Object, status: Object) -> None:
        if not status:
            return
        before, after = meta.condition(binding, "Ready") or {}, meta.condition({"status": status}, "Ready") or {}
        if (before.get("reason"), before.get("message")) != (after["reason"], after["message"]):
            is_trouble = after["status"] != "True" and after["reason"] not in _PASSING
            message = after["message"] or f"{app_of(binding)} serves with the variables of {service_of(binding)}"
            self.recorder.say(binding, "Warning" if is_trouble else "Normal", after["reason"], message)
        await self._patch_binding(binding, {"status": status}, subresource="status")

    # What is known.

    def _known(self, informers: Informers, service: BackingService) -> _Kind:
        databases = informers.of(service.databases, indexes={"instance": _instance_keys})
        return _Kind(service, informers.of(service.instances), informers.of(service.accounts), databases)

    def _seen(self, binding: Object, kind: _Kind) -> Seen:
        namespace = meta.namespace(binding)
        app, service = f"{namespace}/{app_of(binding)}", f"{namespace}/{service_of(binding)}"
        secret, password, authority = (
            self.secrets.known(Reference(kinds.SECRETS, namespace, name)) for name in self._secret_names(binding)
        )
        return Seen(
            self.apps.get(app),
            kind.instances.get(service),
            [each for each in kind.databases.by_index("instance", service) if not meta.is_deleting(each)],
            kind.accounts.get(meta.key(binding)),
            secret,
            password,
            authority,
            [each for each in self.bindings.by_index("app", app) if meta.uid(each) != meta.uid(binding)],
        )

    def _secret_names(self, binding: Object) -> list[str]:
        return secrets_of(binding, self.services)

    def _references(self, binding: Object) -> frozenset[Reference]:
        return frozenset(Reference(kinds.SECRETS, meta.namespace(binding), name) for name in self._secret_names(binding))

    def _secret_keys(self, binding: Object) -> list[str]:
        return [f"{meta.namespace(binding)}/{name}" for name in self._secret_names(binding)]

    def _hold_secrets(self, old: Object | None, new: Object | None) -> None:
        self.secrets.hold(meta.key(new or old or {}), self._references(new) if new is not None else frozenset())

    def _secret_changed(self, secret: Reference) -> None:
        for binding in self.bindings.by_index("secret", f"{secret.namespace}/{secret.name}"):
            self.controller.queue.add(meta.key(binding))

    def _of_app(self, key: str) -> list[str]:
        return [meta.key(binding) for binding in self.bindings.by_index("app", key)]

    def _of_service(self, key: str) -> list[str]:
        return [meta.key(binding) for binding in self.bindings.by_index("service", key)]


def secrets_of(binding: Object, services: Mapping[str, BackingService]) -> list[str]:
    """The Secrets of its namespace that a Binding stands for: with the variables, with the password, with the authority. [] for a
    kind of service that is not known."""
    service = services.get(kind_of(binding))
    if service is None:
        return []
    return [secret_of(binding), service.account_secret(binding), service.authority_secret(binding)]


def _as_of(obj: Object) -> Object:
    return {"resourceVersion": meta.resource_version(obj)}


def _app_keys(binding: Object) -> list[str]:
    return [f"{meta.namespace(binding)}/{app_of(binding)}"]


def _service_keys(binding: Object) -> list[str]:
    return [f"{meta.namespace(binding)}/{service_of(binding)}"]


def _instance_keys(database: Object) -> list[str]:
    return [f"{meta.namespace(database)}/{(database.get('spec') or {}).get('instance') or ''}"]
