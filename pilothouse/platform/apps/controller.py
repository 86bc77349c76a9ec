"""Keeps each App's objects as its plan says and writes its status."""

import asyncio
import time
from collections.abc import Iterable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller, owner_key
from pilothouse.client.informer import Informer
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.client.watched import Reference, WatchedObjects
from pilothouse.model import kinds, meta
from pilothouse.model.covering import covers
from pilothouse.model.errors import BadRequest, Forbidden, Invalid, NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform.apps import hosts, objects
from pilothouse.platform.apps.objects import Surroundings
from pilothouse.platform.apps.plan import Actual, plan, refused
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.apps.volumes import spec as volumes
from pilothouse.platform.apps.volumes.claims import app_of

BUILDS = Resource("builds.pilothouse.dev", "v1", "builds", "Build", custom=True)
"""Known to apps by its API only, like every other capability's objects."""
REFUSED = (BadRequest, Forbidden, Invalid)
"""What the server says to an object that it will not have: shown in the app's Ready condition, and tried again."""
OWNED = (
    *(BUILDS, kinds.CONTROLLERREVISIONS, kinds.DEPLOYMENTS, kinds.SERVICES, kinds.INGRESSES, kinds.JOBS, kinds.SECRETS),
    kinds.HORIZONTALPODAUTOSCALERS,
)
MADE_ONCE = (kinds.JOBS, kinds.SECRETS)
"""What is never changed: a Job's template cannot be, and a copy of a Secret may not be."""
COPIES = f"{objects.MANAGER_LABEL}={objects.MANAGER}"
"""Selects the copies of Secrets that Apps own."""
ON_THE_WAY = frozenset(["RollingOut", "Building", "Releasing"])


class AppController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, around: Surroundings) -> None:
        self.client = client
        self.recorder = recorder
        self.around = around
        self.apps = informers.of(APPS, indexes={"secret": _secret_keys, "host": self._wanted_hosts, "claim": _claim_keys})
        self.owned: dict[str, tuple[Resource, Informer]] = {
            res.kind: (res, informers.of(res, label_selector=_copies(res), indexes={"app": _owner_uid})) for res in OWNED
        }
        self.claims = informers.of(kinds.PERSISTENTVOLUMECLAIMS, indexes={"app": _made_for})
        self.ingresses = informers.of(kinds.INGRESSES, indexes={"host": hosts.hosts_of})
        self.classes = informers.of(kinds.INGRESSCLASSES) if around.hosts_by_namespace else None
        self.secrets = WatchedObjects(client, self._secret_changed)
        self.apps.on_change(self._hold_secrets)
        self.controller = Controller("apps", self.reconcile, workers=2)
        self.controller.watches(self.apps)
        self.controller.watches(self.apps, self._rivals)
        for _, informer in self.owned.values():
            self.controller.watches(informer, self._app_key)
        self.controller.watches(self.claims, self._apps_of_claim)
        self.controller.watches(self.ingresses, lambda obj: self._apps_with(hosts.hosts_of(obj)))
        if self.classes is not None:
            self.controller.watches(self.classes, lambda _: map(meta.key, self.apps.items()))

    async def run(self, ready: asyncio.Event | None = None) -> None:
        try:
            await self.controller.run(ready)
        finally:
            await self.secrets.close()

    async def reconcile(self, key: str) -> float | None:
        app = self.apps.get(key)
        if app is None or meta.is_deleting(app):
            return None
        await self.secrets.synced(_secrets(app))
        now = meta.rfc3339(time.time())
        todo = plan(app, self._actual(app), self.around, now)
        try:
            taken = [name for wanted in todo.ensure if (name := await self._ensure(app, wanted))]
        except REFUSED as error:
            await self._write_status(app, refused(app, todo.status, "Refused", error.message, now))
            raise
        for obj in todo.remove:
            await self._remove(obj)
        why = f"{' and '.join(taken)} exists and is not this app's: rename the app or remove it"
        await self._write_status(app, refused(app, todo.status, "NameTaken", why, now) if taken else todo.status)
        return todo.again_s

    def _hold_secrets(self, old: Object | None, new: Object | None) -> None:
        """An App's Secrets are watched one by one, as long as it names them: it may read no others."""
        app = new or old or {}
        self.secrets.hold(meta.key(app), _secrets(new) if new is not None else frozenset())

    def _secret_changed(self, secret: Reference) -> None:
        for app in self.apps.by_index("secret", f"{secret.namespace}/{secret.name}"):
            self.controller.queue.add(meta.key(app))

    def _apps_of_claim(self, claim: Object) -> list[str]:
        """The apps that mount it, and the one that it was made for."""
        return [*(meta.key(app) for app in self.apps.by_index("claim", meta.key(claim))), *_made_for(claim)]

    def _app_key(self, obj: Object) -> str | Iterable[str] | None:
        """The app that owns the object, else the one in whose way it is by its name."""
        key = meta.key(obj)
        return _owner_key(obj) or (key if self.apps.get(key) is not None else None)

    def _actual(self, app: Object) -> Actual:
        def owned(kind: str) -> list[Object]:
            return self.owned[kind][1].by_index("app", meta.uid(app))

        def one(kind: str) -> Object | None:
            return next((obj for obj in owned(kind) if meta.name(obj) == meta.name(app)), None)

        return Actual(
            owned("Build"),
            owned("ControllerRevision"),
            owned("Deployment"),
            owned("Job"),
            owned("Secret"),
            one("Service"),
            one("Ingress"),
            one("HorizontalPodAutoscaler"),
            {ref.name: secret for ref in _secrets(app) if (secret := self.secrets.known(ref)) is not None},
            self._taken(app),
            self._claims(app),
        )

    def _claims(self, app: Object) -> dict[str, Object]:
        named = [claim for key in _claim_keys(app) if (claim := self.claims.get(key)) is not None]
        return {meta.name(claim): claim for claim in (*named, *self.claims.by_index("app", meta.key(app)))}

    def _taken(self, app: Object) -> str:
        names = self._wanted_hosts(app)
        ingresses = {meta.key(each): each for name in names for each in self.ingresses.by_index("host", name)}
        apps = {meta.key(each): each for name in names for each in self.apps.by_index("host", name)}
        classes = self.classes.items() if self.classes is not None else []
        return hosts.taken(app, list(ingresses.values()), list(apps.values()), self.around, classes)

    def _wanted_hosts(self, app: Object) -> list[str]:
        return hosts.wanted_hosts(app, self.around)

    def _apps_with(self, names: Iterable[str]) -> list[str]:
        return [meta.key(app) for name in names for app in self.apps.by_index("host", name)]

    def _rivals(self, app: Object) -> list[str]:
        """Apps that may take a host which this one has given up, or must leave it."""
        return self._apps_with(self._wanted_hosts(app))

    async def _ensure(self, app: Object, wanted: Object) -> str:
        """Returns what has the wanted object's name and is somebody else's, as text."""
        resource, informer = self.owned.get(wanted["kind"]) or (kinds.PERSISTENTVOLUMECLAIMS, self.claims)
        current = informer.get(f"{meta.namespace(wanted)}/{meta.name(wanted)}")
        if current is None:
            await self.client.create(resource, wanted)
        elif informer is self.claims:
            # Whose it is has been looked at by the plan, which goes by labels.
            await self._change(resource, current, wanted)
        elif meta.uid(app) not in _owner_uid(current):
            return "" if _is_leftover(app, current) else f"{resource.singular or resource.kind.lower()} {meta.name(wanted)}"
        elif resource not in MADE_ONCE and not covers(current, wanted):
            await self._change(resource, current, wanted)
        return ""

    async def _change(self, resource: Resource, current: Object, wanted: Object) -> None:
        changed = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind", "metadata")}
        if resource is kinds.CONTROLLERREVISIONS:
            # Its data may not change by a byte, and a server that applies a patch writes them anew.
            metadata = current["metadata"] | {"annotations": meta.annotations(wanted)}
            await self.client.update(resource, current | {"metadata": metadata, "revision": wanted["revision"]})
        else:
            marks = meta.annotations(wanted)
            changed |= {"metadata": {"annotations": marks}} if marks else {}
            await self.client.patch(resource, meta.name(wanted), changed, namespace=meta.namespace(wanted))

    async def _remove(self, obj: Object) -> None:
        resource, _ = self.owned[obj["kind"]]
        try:
            await self.client.delete(resource, meta.name(obj), meta.namespace(obj), uid=meta.uid(obj), propagation="Background")
        except NotFound:
            return

    async def _write_status(self, app: Object, status: Object) -> None:
        old = app.get("status") or {}
        if all(old.get(key) == value for key, value in status.items()):
            return
        before, after = _reason(old), _reason(status)
        if before != after and after[0]:
            kind = "Warning" if after[0] == "False" and after[1] not in ON_THE_WAY else "Normal"
            self.recorder.say(app, kind, after[1], after[2] or (f"serving at {status['url']}" if status["url"] else "running"))
        await self.client.patch(APPS, meta.name(app), {"status": status}, namespace=meta.namespace(app), subresource="status")


_owner_key = owner_key(APPS)


def _owner_uid(obj: Object) -> list[str]:
    owner = meta.controller_of(obj)
    return [owner["uid"]] if owner is not None else []


def _secret_keys(app: Object) -> list[str]:
    return [f"{meta.namespace(app)}/{name}" for name in secrets_of(app)]


def _claim_keys(app: Object) -> list[str]:
    return [f"{meta.namespace(app)}/{name}" for name in volumes.claims_of(app)]


def _made_for(claim: Object) -> list[str]:
    """The key of the app that a claim was made for."""
    name = app_of(claim)
    return [f"{meta.namespace(claim)}/{name}"] if name else []


def secrets_of(app: Object) -> list[str]:
    """The names of the Secrets that the App's spec names, in its own namespace."""
    return (app.get("spec") or {}).get("secrets") or []


def _secrets(app: Object) -> frozenset[Reference]:
    return frozenset(Reference(kinds.SECRETS, meta.namespace(app), name) for name in secrets_of(app))


def _copies(resource: Resource) -> str | None:
    """Of Secrets only the copies are looked at, which the platform labels; everything else is looked at whole."""
    return COPIES if resource is kinds.SECRETS else None


def _is_leftover(app: Object, obj: Object) -> bool:
    """Whether it belongs to an earlier app of the same name: the cluster removes it, and then it is made anew."""
    return _owner_key(obj) == meta.key(app)


def _reason(status: Object) -> tuple[str, str, str]:
    for condition in status.get("conditions") or ():
        if condition["type"] == "Ready":
            return condition["status"], condition["reason"], condition.get("message", "")
    return "", "", ""
