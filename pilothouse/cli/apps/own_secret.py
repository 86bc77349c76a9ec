"""The Secret that holds the variables which an app was given as secrets."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client


def secret_name(app_name: str) -> str:
    return f"{app_name}-secrets"


@dataclass(frozen=True, slots=True)
class Change:
    """What to do to the Secret; values are never shown. before: as it is, None when there is none."""

    name: str
    namespace: str
    app: str
    data: Mapping[str, str]
    before: Object | None

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
            metadata = {"name": self.name, "namespace": self.namespace, "labels": {"app.kubernetes.io/name": self.app}}
            written = await client.create(kinds.SECRETS, {"metadata": metadata, "data": dict(self.data)})
        else:
            gone = dict.fromkeys(self.before.get("data") or {})
            written = await client.patch(kinds.SECRETS, self.name, {"data": gone | dict(self.data)}, namespace=self.namespace)
        return {self.name: meta.resource_version(written)}

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
    return Change(name, namespace, app, data, before)
