"""Gives each namespace what every pod in it takes for granted: the ServiceAccount `default` and the cluster's CA certificate."""

import asyncio

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers import refusal
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, NAMESPACES, SERVICEACCOUNTS
from pilothouse.model.resource import Resource

ACCOUNT = "default"
CA_MAP = "kube-root-ca.crt"
_ABOUT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP "
    "or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."
)


class ServiceAccountController:
    """client: makes the ServiceAccounts. publisher: writes the ConfigMaps.

    root_ca: PEM text of the certificate that the API server's own is signed with; "" publishes none.
    """

    def __init__(self, client: Client, publisher: Client, informers: Informers, recorder: Recorder, root_ca: str = "") -> None:
        self._client = client
        self._publisher = publisher
        self._recorder = recorder
        self._root_ca = root_ca
        self._namespaces = informers.of(NAMESPACES)
        self._accounts = informers.of(SERVICEACCOUNTS)
        self._maps = informers.of(CONFIGMAPS, field_selector=f"metadata.name={CA_MAP}")
        self._controller = Controller("serviceaccount", self.reconcile, workers=2)
        self._controller.watches(self._namespaces)
        self._controller.watches(self._accounts, lambda obj: meta.namespace(obj) if meta.name(obj) == ACCOUNT else None)
        self._controller.watches(self._maps, meta.namespace)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, namespace: str) -> float | None:
        found = self._namespaces.get(namespace)
        if found is None or meta.is_deleting(found):
            return None
        if self._accounts.get(f"{namespace}/{ACCOUNT}") is None:
            await _create(self._client, SERVICEACCOUNTS, {"metadata": {"name": ACCOUNT, "namespace": namespace}})
        if self._root_ca:
            await self._publish(namespace)
        return None

    async def _publish(self, namespace: str) -> None:
        current = self._maps.get(f"{namespace}/{CA_MAP}")
        data = {"ca.crt": self._root_ca}
        if current is None:
            annotations = {"kubernetes.io/description": _ABOUT}
            metadata = {"name": CA_MAP, "namespace": namespace, "annotations": annotations}
            await _create(self._publisher, CONFIGMAPS, {"metadata": metadata, "data": data})
        elif current.get("data") != data:
            await self._publisher.update(CONFIGMAPS, current | {"data": data})


async def _create(client: Client, resource: Resource, obj: Object) -> None:
    try:
        await client.create(resource, obj)
    except (AlreadyExists, NotFound):
        return  # Made by another, or the namespace has gone meanwhile.
    except ApiError as error:
        if not refusal.is_namespace_ending(error):
            raise
