"""Keeps the build environment's Secrets as the host's settings and `ph config` say, and their copies in other namespaces in step."""

import asyncio
import base64
from collections.abc import Mapping

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.model import kinds, meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object, dumps
from pilothouse.platform.builds.environment.credentials import has_secret, without_secret
from pilothouse.platform.builds.environment.effective import overridden, shown
from pilothouse.platform.builds.environment.files import credentials_data, secret_data
from pilothouse.platform.builds.environment.found import Found
from pilothouse.platform.builds.environment.keys import may_have_credentials
from pilothouse.platform.builds.pod import CONFIG, CREDENTIALS, ENVIRONMENT, SYSTEM

FOUND = "builds.pilothouse.dev/found"
"""Annotation: what the host's own settings say, as JSON: key -> value and origin."""


class EnvironmentKeeper:
    """found: what the host's own settings say; None on a cluster whose builds have only what `ph config` sets."""

    def __init__(self, client: Client, informers: Informers, found: Found | None) -> None:
        self.client = client
        self.found = found or Found()
        self.settings = informers.of(kinds.CONFIGMAPS, namespace=SYSTEM, field_selector=f"metadata.name={CONFIG}")
        self.secrets = informers.of(kinds.SECRETS, namespace=SYSTEM, field_selector=f"metadata.name={CONFIG}")
        self.controller = Controller("build-environment", self.reconcile)
        for watched in (self.settings, self.secrets):
            self.controller.watches(watched, meta.name)
        self.controller.queue.add(CONFIG)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self.controller.run(ready)

    async def reconcile(self, key: str) -> None:
        plain: Mapping[str, str] = (self.settings.get(f"{SYSTEM}/{CONFIG}") or {}).get("data") or {}
        if secret := {name: value for name, value in plain.items() if has_secret(name, value)}:
            await self._set_apart(secret)
            return  # the change of both comes back here
        kept = (self.secrets.get(f"{SYSTEM}/{CONFIG}") or {}).get("data") or {}
        config = {**plain, **{name: base64.b64decode(value).decode(errors="replace") for name, value in kept.items()}}
        wanted = overridden(self.found, config)
        marks = {FOUND: dumps(shown(self.found)).decode()}
        data, credentials = secret_data(wanted), credentials_data(wanted)
        await self._keep(ENVIRONMENT, data, marks)
        await self._keep(CREDENTIALS, credentials, {})
        await self._keep_copies(ENVIRONMENT, data, {})
        await self._keep_copies(CREDENTIALS, credentials, plain)

    async def _set_apart(self, secret: Mapping[str, str]) -> None:
        """A ConfigMap is read by many: what was written into it by hand, or by an earlier release, moves into the Secret."""
        await set_secrets(self.client, dict(secret))
        shown = {name: without_secret(name, value) for name, value in secret.items()}
        await self.client.patch(kinds.CONFIGMAPS, CONFIG, {"data": shown}, namespace=SYSTEM)

    async def _keep(self, name: str, data: Mapping[str, str], marks: Mapping[str, str]) -> None:
        wanted: Object = {"metadata": {"name": name, "namespace": SYSTEM, "annotations": dict(marks)}, "data": dict(data)}
        try:
            current = await self.client.get(kinds.SECRETS, name, SYSTEM)
        except NotFound:
            await self.client.create(kinds.SECRETS, wanted)
            return
        same = all(meta.annotations(current).get(key) == value for key, value in marks.items())
        if (current.get("data") or {}) != data or not same:
            await self.client.update(kinds.SECRETS, wanted)

    async def _keep_copies(self, name: str, data: Mapping[str, str], config: Mapping[str, str]) -> None:
        """A build brings the copies; what was taken back, or has changed, does not stay in them until the next one."""
        copies = await self.client.list_all(kinds.SECRETS, field_selector=f"metadata.name={name}")
        for copy in copies.items:
            namespace = meta.namespace(copy)
            if namespace == SYSTEM:
                continue
            if name == CREDENTIALS and not may_have_credentials(config, namespace):
                await self._delete(name, namespace, copy)
            elif (copy.get("data") or {}) != data:
                await self.client.update(kinds.SECRETS, {"metadata": {"name": name, "namespace": namespace}, "data": dict(data)})

    async def _delete(self, name: str, namespace: str, copy: Object) -> None:
        try:
            await self.client.delete(kinds.SECRETS, name, namespace, uid=meta.uid(copy))
        except NotFound:
            return


async def set_secrets(client: Client, values: Mapping[str, str | None]) -> None:
    """Write values of `ph config` that hold passwords; None takes one out."""
    data = {name: None if value is None else base64.b64encode(value.encode()).decode() for name, value in values.items()}
    if await client.get_or_none(kinds.SECRETS, CONFIG, SYSTEM) is None:
        if any(data.values()):
            await client.create(
                kinds.SECRETS, {"metadata": {"name": CONFIG, "namespace": SYSTEM}, "data": {k: v for k, v in data.items() if v}}
            )
        return
    await client.patch(kinds.SECRETS, CONFIG, {"data": data}, namespace=SYSTEM)
