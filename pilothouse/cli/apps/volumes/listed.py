"""The claims that were made for apps, and what each stands for."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilothouse.model import kinds, meta
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.volumes import NODE, requested
from pilothouse.platform.apps.objects import MANAGER, MANAGER_LABEL
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.apps.volumes.claims import VOLUME_LABEL, app_of, is_made
from pilothouse.platform.apps.volumes.spec import claims_of

if TYPE_CHECKING:
    from pilothouse.client.client import Client

_HOSTNAME = "kubernetes.io/hostname"


@dataclass(frozen=True, slots=True)
class Listed:
    """A claim that was made for an app. users: the apps of its namespace that mount it; empty: it is kept. node: "" for any or unknown.

    state: one word: Bound, Pending, Lost, Deleting, or Kept for one that no app mounts.
    """

    claim: Object
    users: tuple[str, ...]
    node: str
    state: str

    @property
    def size(self) -> str:
        return str(((self.claim.get("status") or {}).get("capacity") or {}).get("storage") or requested(self.claim))

    def document(self) -> Object:
        claim = self.claim
        return {
            "name": shown_name(claim),
            "namespace": meta.namespace(claim),
            "claim": meta.name(claim),
            "app": app_of(claim),
            "users": list(self.users),
            "size": self.size,
            "requested": str(requested(claim)),
            "state": self.state,
            "node": self.node,
            "storageClass": claim["spec"].get("storageClassName") or "",
            "createdAt": claim["metadata"].get("creationTimestamp") or "",
        }


def shown_name(claim: Object) -> str:
    """`APP/VOLUME`, as commands take it."""
    return f"{app_of(claim)}/{meta.labels(claim)[VOLUME_LABEL]}"


async def made_claims(client: "Client", namespace: str | None) -> list[Object]:
    """Claims of apps that are there, and of those that are not any more, by app and volume. namespace: None for all."""
    found = await client.list_all(kinds.PERSISTENTVOLUMECLAIMS, namespace, label_selector=f"{MANAGER_LABEL}={MANAGER}")
    return sorted(filter(is_made, found.items), key=lambda claim: (meta.namespace(claim), shown_name(claim)))


async def claims_of_app(client: "Client", app: Object) -> dict[str, Object]:
    """As the platform looks at them: those that its volumes name and those that were made for it. Raises Forbidden."""
    found = (await client.list_all(kinds.PERSISTENTVOLUMECLAIMS, meta.namespace(app))).items
    named = {*claims_of(app)}
    return {meta.name(each): each for each in found if meta.name(each) in named or app_of(each) == meta.name(app)}


async def listed(client: "Client", namespace: str | None) -> list[Listed]:
    claims = await made_claims(client, namespace)
    apps = (await client.list_all(APPS, namespace)).items if claims else []
    volumes = await _volumes(client) if claims else {}
    return [_listed(claim, apps, volumes.get(claim["spec"].get("volumeName") or "")) for claim in claims]


async def _volumes(client: "Client") -> dict[str, Object]:
    """PersistentVolumes by name; none to a user who may not see them."""
    try:
        return {meta.name(each): each for each in (await client.list_all(kinds.PERSISTENTVOLUMES)).items}
    except Forbidden:
        return {}


def _listed(claim: Object, apps: Sequence[Object], volume: Object | None) -> Listed:
    users = users_of(claim, apps)
    phase = "Deleting" if meta.is_deleting(claim) else str((claim.get("status") or {}).get("phase") or "Pending")
    return Listed(claim, users, node_of(volume or {}), phase if users or phase != "Bound" else "Kept")


def users_of(claim: Object, apps: Iterable[Object]) -> tuple[str, ...]:
    near = [app for app in apps if meta.namespace(app) == meta.namespace(claim)]
    return tuple(sorted(meta.name(app) for app in near if meta.name(claim) in claims_of(app)))


def node_of(volume: Object) -> str:
    """The one node that can reach a PersistentVolume; "" for several."""
    if own := meta.annotations(volume).get(NODE):
        return own
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required") or {}
    named = [
        value
        for term in required.get("nodeSelectorTerms") or ()
        for each in term.get("matchExpressions") or ()
        if each.get("key") == _HOSTNAME and each.get("operator") == "In"
        for value in each.get("values") or ()
    ]
    return named[0] if len(named) == 1 else ""


def age_s(claim: Object) -> float:
    return time.time() - meta.parse_rfc3339(claim["metadata"]["creationTimestamp"])
