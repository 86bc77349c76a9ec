"""Deletes requests for certificates that nobody needs any more.

One that nobody has decided, or that nobody has signed, goes after a day; one that has an answer an hour after it; one whose certificate
has expired at once. Source: kubernetes pkg/controller/certificates/cleaner.
"""

import asyncio
import time
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import meta
from pilothouse.model.certificates import APPROVED, DENIED, FAILED, certificate_of, conditions_of
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import CERTIFICATESIGNINGREQUESTS
from pilothouse.wire import pki

PENDING_S, ANSWERED_S = 24 * 3600.0, 3600.0
_DAY_S = 86_400


class CertificateCleaner:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._requests = informers.of(CERTIFICATESIGNINGREQUESTS)
        self._controller = Controller("certificate-cleaner", self.reconcile)
        self._controller.watches(self._requests)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, name: str) -> float | None:
        found = self._requests.get(name)
        if found is None or meta.is_deleting(found):
            return None
        left_s = end_of(found) - self._clock()
        if left_s > 0:
            return left_s
        try:
            await self._client.delete(CERTIFICATESIGNINGREQUESTS, name, uid=meta.uid(found))
        except NotFound:
            return None
        self._recorder.decide(found, "Cleaned", "nobody needs this request any more")
        return None


def end_of(found: Object) -> float:
    """When the request is deleted, in seconds of the epoch."""
    ends = [meta.parse_rfc3339(found["metadata"]["creationTimestamp"]) + PENDING_S]
    certificate = certificate_of(found)
    answers = (DENIED, FAILED, APPROVED) if certificate else (DENIED, FAILED)
    ends += [
        meta.parse_rfc3339(condition["lastUpdateTime"]) + ANSWERED_S
        for kind in answers
        for condition in conditions_of(found, kind)
        if condition.get("lastUpdateTime")
    ]
    if certificate:
        return min([*ends[1:], _expiry(certificate)])
    return min(ends)


def _expiry(certificate: bytes) -> float:
    """Of a certificate that its signer has written; an unreadable one counts as never ending."""
    try:
        return pki.days_left(certificate, 0.0) * _DAY_S
    except ValueError:
        return float("inf")
