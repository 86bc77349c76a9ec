"""Deletes bootstrap tokens that have expired. Source: kubernetes pkg/controller/bootstrap/tokencleaner.go."""

import asyncio
import time
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informer import Informer
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import bootstrap_tokens, meta
from pilothouse.model.bootstrap_tokens import NAMESPACE, SECRET_TYPE, BadToken
from pilothouse.model.errors import NotFound
from pilothouse.model.kinds import SECRETS


def tokens_of(informers: Informers) -> Informer:
    """The Secrets of bootstrap tokens, and no others."""
    return informers.of(SECRETS, namespace=NAMESPACE, field_selector=f"type={SECRET_TYPE}")


class TokenCleaner:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._secrets = tokens_of(informers)
        self._controller = Controller("token-cleaner", self.reconcile)
        self._controller.watches(self._secrets)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        secret = self._secrets.get(key)
        if secret is None or meta.is_deleting(secret):
            return None
        try:
            expires_at = bootstrap_tokens.read(secret).expires_at
        except BadToken:
            return None  # It signs nobody in; whose Secret it is may want to mend it.
        if expires_at is None:
            return None
        if (left_s := expires_at - self._clock()) > 0:
            return left_s
        try:
            await self._client.delete(SECRETS, meta.name(secret), NAMESPACE, uid=meta.uid(secret))
        except NotFound:
            return None
        self._recorder.decide(secret, "TokenExpired", "the bootstrap token has expired")
        return None
