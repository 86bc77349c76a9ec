"""What pods refer to: ConfigMaps, Secrets, services and service-account tokens.

ConfigMaps and Secrets are read one by one (`watched`), as a node may.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pilothouse.aio.clock import Steady
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.watched import WatchedObjects
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import (
    CONFIGMAPS,
    CSIDRIVERS,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    VOLUMEATTACHMENTS,
)

OLDEST_TOKEN_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Token:
    """Times are of the clock that the node decides by. expires: as the API says it, in RFC 3339."""

    text: str
    issued_at: float
    expires_at: float
    expires: str = ""

    @property
    def refresh_at(self) -> float:
        """At 80% of its life, so that a server that is away for a while does no harm; a day after its issue at the latest.

        Source: kubernetes pkg/kubelet/token/token_manager.go (requiresRefresh).
        """
        return self.issued_at + min(0.8 * (self.expires_at - self.issued_at), OLDEST_TOKEN_S)


class Sources(Protocol):
    async def configmap(self, namespace: str, name: str) -> Object | None: ...
    async def secret(self, namespace: str, name: str) -> Object | None: ...
    def services(self, namespace: str) -> list[Object]:
        """Those of the namespace and of `default`, where the API server's own is."""
        ...

    async def token(self, pod: Object, audience: str, seconds: int) -> Token:
        """A token for the pod's service account, bound to the pod. Raises ApiError."""
        ...


class ApiSources:
    """Sources of a real cluster."""

    def __init__(self, client: Client, informers: Informers, objects: WatchedObjects, clock: Steady, node_name: str = "") -> None:
        self._node_name = node_name
        self._clock = clock
        self._client = client
        self._services = informers.of(SERVICES, indexes={"namespace": _namespace_of})
        self._objects = objects

    async def configmap(self, namespace: str, name: str) -> Object | None:
        return await self._objects.get(CONFIGMAPS, namespace, name)

    async def secret(self, namespace: str, name: str) -> Object | None:
        return await self._objects.get(SECRETS, namespace, name)

    async def claim(self, namespace: str, name: str) -> Object | None:
        return await self._client.get_or_none(PERSISTENTVOLUMECLAIMS, name, namespace)

    async def volume(self, name: str) -> Object | None:
        return await self._client.get_or_none(PERSISTENTVOLUMES, name)

    async def csi_driver(self, name: str) -> Object | None:
        return await self._client.get_or_none(CSIDRIVERS, name)

    async def attachment(self, name: str) -> Object | None:
        return await self._client.get_or_none(VOLUMEATTACHMENTS, name)

    async def patch_claim_status(self, claim: Object, status: Object) -> None:
        """Writes a merge patch of a claim's status. Raises ApiError."""
        name, namespace = meta.name(claim), meta.namespace(claim)
        await self._client.patch(PERSISTENTVOLUMECLAIMS, name, {"status": status}, namespace=namespace, subresource="status")

    async def node(self) -> Object | None:
        return await self._client.get_or_none(NODES, self._node_name)

    def services(self, namespace: str) -> list[Object]:
        spaces = dict.fromkeys(("default", namespace))
        return [service for space in spaces for service in self._services.by_index("namespace", space)]

    async def token(self, pod: Object, audience: str, seconds: int) -> Token:
        account = (pod.get("spec") or {}).get("serviceAccountName") or "default"
        metadata = pod["metadata"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        spec: Object = {"expirationSeconds": seconds, "boundObjectRef": bound}
        if audience:
            spec["audiences"] = [audience]
        request: Object = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"name": account, "namespace": metadata["namespace"]},
            "spec": spec,
        }
        issued_at, stamp = self._clock(), self._clock.stamp()
        answer = await self._client.create(SERVICEACCOUNTS, request, metadata["namespace"], subresource="token")
        status = answer["status"]
        life_s = meta.parse_rfc3339(status["expirationTimestamp"]) - stamp
        return Token(status["token"], issued_at, issued_at + life_s, status["expirationTimestamp"])


def _namespace_of(obj: Object) -> Iterable[str]:
    return (meta.namespace(obj),)
