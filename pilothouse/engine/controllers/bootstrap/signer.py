"""Signs what the ConfigMap cluster-info tells strangers with each token that is for that, so that who holds a token can believe it.

A signature is a JSON Web Signature without its payload (RFC 7515, appendix F), HMAC with SHA-256 under the token's secret.
Source: kubernetes pkg/controller/bootstrap/bootstrapsigner.go, staging/src/k8s.io/cluster-bootstrap/token/jws.
"""

import asyncio
import time
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.engine.controllers.bootstrap.token_cleaner import tokens_of
from pilothouse.model import bootstrap_tokens
from pilothouse.model.bootstrap_tokens import SIGNING, BadToken, BootstrapToken, signature
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS

NAMESPACE, NAME = "kube-public", "cluster-info"
KUBECONFIG, SIGNATURE_PREFIX = "kubeconfig", "jws-kubeconfig-"


class BootstrapSigner:
    def __init__(self, client: Client, informers: Informers, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._clock = clock
        self._secrets = tokens_of(informers)
        self._infos = informers.of(CONFIGMAPS, namespace=NAMESPACE, field_selector=f"metadata.name={NAME}")
        self._controller = Controller("bootstrap-signer", self.reconcile)
        self._controller.watches(self._infos)
        self._controller.watches(self._secrets, lambda secret: f"{NAMESPACE}/{NAME}")

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        """Expired tokens are deleted, which brings the key here again."""
        info = self._infos.get(key)
        text = ((info or {}).get("data") or {}).get(KUBECONFIG)
        if info is None or text is None:
            return None
        data = {name: value for name, value in info["data"].items() if not name.startswith(SIGNATURE_PREFIX)}
        signed = data | {SIGNATURE_PREFIX + token.id: signature(text, token) for token in self._signing()}
        if signed != info["data"]:
            await self._client.update(CONFIGMAPS, info | {"data": signed})
        return None

    def _signing(self) -> list[BootstrapToken]:
        found = [token for secret in self._secrets.items() if (token := _read(secret)) is not None]
        return [token for token in found if SIGNING in token.usages and not token.is_expired(self._clock())]


def _read(secret: Object) -> BootstrapToken | None:
    try:
        return bootstrap_tokens.read(secret)
    except BadToken:
        return None
