"""The Secret that holds the variables which an app was given as secrets."""

import base64
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.apps.objects import NAME_LABEL
from pilothouse.platform.apps.secrets import WRITTEN_WITH

if TYPE_CHECKING:
    from pilothouse.client.client import Client


def secret_name(app_name: str) -> str:
    return f"{app_name}-secrets"


def labels(app_name: str) -> dict[str, str]:
    """Of the Secrets that are made for an app, by which they are told from others of the same name."""
    return {NAME_LABEL: app_name}


def is_own(secret: Object, app_name: str) -> bool:
    return meta.labels(secret).get(NAME_LABEL) == app_name


@dataclass(frozen=True, slots=True)
class Change:
    """What to do to the Secret; values are never shown. before: as it is, None when there is none.

    at: names this change. The App that it belongs to is written after it and carries the same mark, so that the platform
    takes both as one.
    """

    name: str
    namespace: str
    app: str
    data: Mapping[str, str]
    before: Object | None
    at: str

    def __repr__(self) -> str:
        return f"Change({self.namespace}/{self.name}: {', '.join(sorted(self.data))})"

    @property
    def is_none(self) -> bool:
        return bool((self.before or {}).get("data", {}) == self.data)

    async def apply(self, client: "Client") -> dict[str, str]:
        """Write it. Returns the resourceVersion by name, by which the app's status shows that it has been seen."""
        if self.is_none:
            return {}
        if self.before is None:
            marks: Object = {"labels": labels(self.app), "annotations": {WRITTEN_WITH: self.at}}
            metadata = {"name": self.name, "namespace": self.namespace, **marks}
            written = await client.create(kinds.SECRETS, {"metadata": metadata, "data": dict(self.data)})
        else:
            gone = dict.fromkeys(self.before.get("data") or {})
            changed = {"metadata": {"annotations": {WRITTEN_WITH: self.at}}, "data": gone | dict(self.data)}
            written = await client.patch(kinds.SECRETS, self.name, changed, namespace=self.namespace)
        return {self.name: meta.resource_version(written)}

    def marked(self, app: Object) -> Object:
        """The App with the mark of this change, if there is one."""
        if self.is_none:
            return app
        metadata = app["metadata"]
        return app | {"metadata": metadata | {"annotations": (metadata.get("annotations") or {}) | {WRITTEN_WITH: self.at}}}

    async def take_back(self, client: "Client") -> None:
        if self.is_none:
            return
        if self.before is None:
            await client.delete(kinds.SECRETS, self.name, self.namespace)
        else:
            old = dict.fromkeys(self.data) | (self.before.get("data") or {})
            await client.patch(kinds.SECRETS, self.name, {"data": old}, namespace=self.namespace)


async def change(
    client: "Client", app: str, namespace: str, *, given: Mapping[str, str] | None = None, unset: Iterable[str] = ()
) -> Change:
    """given: variables and their values in plain text. unset: variables to remove; those that are not there are nothing to it."""
    name = secret_name(app)
    before = await client.get_or_none(kinds.SECRETS, name, namespace)
    removed = set(unset)
    data = {key: value for key, value in ((before or {}).get("data") or {}).items() if key not in removed}
    data |= {key: base64.b64encode(value.encode()).decode() for key, value in (given or {}).items()}
    return Change(name, namespace, app, data, before, mark())


def mark() -> str:
    return meta.rfc3339_micro(time.time())
