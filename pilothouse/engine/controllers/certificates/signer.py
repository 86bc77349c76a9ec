"""Signs approved requests with the cluster's authority, for each of the signers that `rules` knows.

A request that its signer's rules refuse gets the condition Failed, and stays without a certificate. Requests to other signers are
those signers' own. Source: kubernetes pkg/controller/certificates/signer.
"""

import asyncio
import time
from base64 import b64encode
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.certificates.rules import SIGNERS, lifetime_s
from pilothouse.model import meta
from pilothouse.model.certificates import APPROVED, DENIED, FAILED, certificate_of, conditions, has, request_of
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import CERTIFICATESIGNINGREQUESTS
from pilothouse.wire import certificate_request
from pilothouse.wire.certificate_request import BadRequestError
from pilothouse.wire.pki import CertificateAuthority

Authority = Callable[[], CertificateAuthority]
"""Reads the authority, in a thread: it may have been made anew. Raises OSError, ValueError."""


class CertificateSigner:
    def __init__(
        self, client: Client, informers: Informers, recorder: Recorder, authority: Authority, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._authority = authority
        self._clock = clock
        self._requests = informers.of(CERTIFICATESIGNINGREQUESTS)
        self._controller = Controller("certificate-signer", self.reconcile)
        self._controller.watches(self._requests)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, name: str) -> float | None:
        found = self._requests.get(name)
        if found is None or not _waits(found):
            return None
        why = _why_not(found)
        status = found.get("status") or {}
        if why:
            status = status | {"conditions": [*conditions(found), self._failure(why)]}
        else:
            status = status | {"certificate": b64encode(await asyncio.to_thread(self._sign, found)).decode()}
        try:
            await self._client.update_status(CERTIFICATESIGNINGREQUESTS, found | {"status": status})
        except NotFound:
            return None
        if why:
            self._recorder.decide(found, "SignerValidationFailure", why)
        else:
            self._recorder.decide(found, "Signed", f"by {found['spec']['signerName']}")
        return None

    def _sign(self, found: Object) -> bytes:
        spec = found["spec"]
        return self._authority().sign(request_of(found), spec["usages"], lifetime_s(spec.get("expirationSeconds")))

    def _failure(self, why: str) -> Object:
        stamp = meta.rfc3339(self._clock())
        return {"type": FAILED, "status": "True", "reason": "SignerValidationFailure", "message": why, "lastUpdateTime": stamp}


def _waits(found: Object) -> bool:
    is_approved = has(found, APPROVED) and not has(found, DENIED) and not has(found, FAILED)
    return is_approved and not certificate_of(found) and found["spec"].get("signerName") in SIGNERS


def _why_not(found: Object) -> str:
    spec = found["spec"]
    try:
        asked = certificate_request.parse(request_of(found))
    except BadRequestError as error:
        return str(error)
    return SIGNERS[spec["signerName"]](asked, spec.get("usages") or ())
